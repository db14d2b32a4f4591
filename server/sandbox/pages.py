"""What every page of the sandbox shares: templates, language, posted forms and said errors."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import jinja2
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from server.sandbox.acquirer import Acquirer
from server.sandbox.fields import read_body
from server.sandbox.words import WORDS, Language, rupiah, when, word

MAX_UPLOAD_BYTES = 10_000_000
_MAX_JSON_BYTES = 8_192

_templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class WalletError(Exception):
    """A request the wallet cannot follow, with a sentence in each language."""

    def __init__(self, code: str, indonesian: str, english: str, status: int = 422) -> None:
        super().__init__(code)
        self.code = code
        self.sentence: dict[Language, str] = {"id": indonesian, "en": english}
        self.status = status


def error(name: str, status: int = 422) -> WalletError:
    return WalletError(name, *WORDS[f"error_{name}"], status)


def refused(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, WalletError)
    body = {
        "error": problem.code,
        "message": problem.sentence["id"],
        "message_en": problem.sentence["en"],
    }
    return JSONResponse(body, problem.status)


def acquirer_of(request: Request) -> Acquirer:
    acquirer: Acquirer = request.app.state.acquirer
    return acquirer


async def form_of(request: Request) -> dict[str, str | bytes]:
    """The fields of a posted form, files as bytes, within the upload limit."""
    try:
        length = int(request.headers.get("content-length", ""))
    except ValueError:
        raise error("bad_request", 411) from None
    if length > MAX_UPLOAD_BYTES:
        raise error("too_large", 413)
    try:
        async with request.form(max_files=2, max_fields=8, max_part_size=_MAX_JSON_BYTES) as form:
            found: dict[str, str | bytes] = {}
            for name, value in form.items():
                found[name] = await value.read() if isinstance(value, UploadFile) else value
            return found
    except HTTPException:
        raise error("bad_request", 400) from None


async def json_of(request: Request) -> dict[str, Any]:
    text = await read_body(request, _MAX_JSON_BYTES)
    if text is None:
        raise error("too_large", 413)
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise error("bad_request", 400)
    return body


def language_of(request: Request) -> Language:
    chosen = request.query_params.get("lang") or request.cookies.get("lang")
    return "en" if chosen == "en" else "id"


def page(
    request: Request, name: str, status: int = 200, *, here: str = "", **context: Any
) -> Response:
    """A page in the reader's language. `here` fetches it again, ready for a query parameter."""
    language = language_of(request)
    zone = acquirer_of(request).settings.zone

    def readable_time(text: str) -> str:
        return when(datetime.fromisoformat(text).astimezone(zone), language)

    html = _templates.get_template(name).render(
        language=language,
        other="id" if language == "en" else "en",
        here=here or f"{request.url.path if request.method == 'GET' else '/wallet'}?",
        t=lambda key: word(key, language),
        rupiah=rupiah,
        when=readable_time,
        **context,
    )
    response = HTMLResponse(html, status)
    if request.query_params.get("lang") in ("id", "en"):
        response.set_cookie("lang", language, max_age=31_536_000, samesite="lax", httponly=True)
    return response
