"""The HTTP interface as an OpenAPI document: what the framework reads from the code, completed.

Every operation names its problems and whom it lets in; facts are described as webhooks.
"""

import json
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from server.webhooks.facts import FACTS

DESCRIPTION = (
    "Cashless kerbside parking. Refusals are RFC 9457 problems, listed in docs/problems.md. "
    "docs/api.md says how the interface is versioned, and how webhooks are verified."
)
PROBLEM = {
    "type": "object",
    "description": "Why a request was refused (RFC 9457); `slug` is stable and for programs.",
    "required": ["type", "slug", "title", "title_id", "title_en", "status", "detail"],
    "properties": {
        "type": {"type": "string", "examples": ["urn:karcis:problem:spot-not-found"]},
        "slug": {"type": "string", "examples": ["spot-not-found"]},
        "title": {"type": "string"},
        "title_id": {"type": "string", "examples": ["Titik parkir tidak dikenal"]},
        "title_en": {"type": "string", "examples": ["This parking spot is not known"]},
        "status": {"type": "integer", "examples": [404]},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}
REFUSED = {
    "description": "The request was refused.",
    "headers": {
        "Retry-After": {
            "description": "Seconds to wait, with 429 and 503.",
            "schema": {"type": "integer", "minimum": 1},
        }
    },
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
SNAP = {
    "description": "Answered in SNAP BI's form.",
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["responseCode", "responseMessage"],
                "properties": {
                    "responseCode": {"type": "string", "examples": ["2005200"]},
                    "responseMessage": {"type": "string", "examples": ["Successful"]},
                },
            }
        }
    },
}


# What is not JSON, by path.
MEDIA = {
    "/livez": "application/health+json",
    "/readyz": "application/health+json",
    "/metrics": "text/plain",
    "/v1/spots/{spot}/barcode.png": "image/png",
    "/v1/spots/{spot}/display.png": "image/png",
    "/v1/spots/{spot}/display.bmp": "image/bmp",
    "/v1/spots/{spot}/display/events": "text/event-stream",
    "/v1/charges/{charge_id}/barcode.png": "image/png",
    "/v1/charges/{charge_id}/barcode.svg": "image/svg+xml",
    "/v1/charges/{charge_id}/events": "text/event-stream",
}


def install(app: FastAPI) -> None:
    """Have `/openapi.json` answer the completed document."""

    def complete() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = complete  # type: ignore[method-assign]


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes
    )
    schemas = document["components"]["schemas"]
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas["Problem"] = PROBLEM
    for path, operations in document["paths"].items():
        for operation in operations.values():
            _complete(path, operation)
    document["webhooks"] = {}
    for name, fact in FACTS.items():
        schemas[fact.__name__] = fact.model_json_schema()
        document["webhooks"][name] = {"post": _told(name, fact.__name__, fact.__doc__ or "")}
    return document


def _complete(path: str, operation: dict[str, Any]) -> None:
    """Give an operation its problems; a sign-in that a driver may leave out is optional."""
    operation["responses"].pop("422", None)
    if path in MEDIA:
        for told in operation["responses"].values():
            told["content"] = {MEDIA[path]: {"schema": {}}}
    operation["responses"]["default"] = SNAP if "acquirer" in operation["tags"] else REFUSED
    if path == "/v1/spots/{spot}/charges":
        operation["security"].insert(0, {})


def _told(name: str, schema: str, says: str) -> dict[str, Any]:
    """The request that tells an integrator of a fact."""
    headers = ("webhook-id", "webhook-timestamp", "webhook-signature")
    return {
        "operationId": name.replace(".", "_"),
        "summary": says.partition(".")[0],
        "tags": ["facts"],
        "parameters": [
            {"name": header, "in": "header", "required": True, "schema": {"type": "string"}}
            for header in headers
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": ["type", "timestamp", "data"],
                        "properties": {
                            "type": {"const": name},
                            "timestamp": {"type": "string", "format": "date-time"},
                            "data": {"$ref": f"#/components/schemas/{schema}"},
                        },
                    }
                }
            },
        },
        "responses": {"2XX": {"description": "Taken; it is not sent again."}},
    }


def text(app: FastAPI) -> str:
    """The document as it is committed."""
    return json.dumps(app.openapi(), ensure_ascii=False, indent=1, sort_keys=True) + "\n"
