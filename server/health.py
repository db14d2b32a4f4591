"""Whether this process lives, whether it is ready for payments, and its metrics."""

import asyncio
from typing import Any

import asyncpg
from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from server import schema
from server.database import Transactions, TransactionsDep

router = APIRouter(tags=["health"])
DEADLINE_S = 3.0
HEALTH = "application/health+json"


@router.get("/livez")
async def livez() -> Response:
    return JSONResponse({"status": "pass"}, media_type=HEALTH)


@router.get("/readyz", responses={503: {"description": "Not ready: `output` says why."}})
async def readyz(transactions: TransactionsDep) -> Response:
    """Ready when the database answers, accepts writes, and has the newest schema."""
    try:
        async with asyncio.timeout(DEADLINE_S):
            problem = await _what_is_wrong(transactions)
    except (OSError, SQLAlchemyError, asyncpg.InternalClientError) as exc:
        problem = f"database: {type(exc).__name__}"
    body: dict[str, Any] = {"status": "fail" if problem else "pass"}
    if problem:
        body["output"] = problem
    return JSONResponse(body, 503 if problem else 200, media_type=HEALTH)


async def _what_is_wrong(transactions: Transactions) -> str | None:
    async with transactions.begin() as db:
        if not await schema.at_newest(db):
            return "schema: migrations are still to run"
        if await db.scalar(text("SHOW transaction_read_only")) == "on":
            return "database: read-only"
    return None


@router.get("/metrics")
async def metrics() -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
