"""HTTP of the audit log: the newest checkpoint, for anybody to keep."""

from email.utils import format_datetime

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse

from server.audit import checkpoints
from server.audit.checkpoints import NoCheckpoint
from server.database import Transaction

router = APIRouter(tags=["audit"])


@router.get("/v1/audit/checkpoint", response_class=PlainTextResponse)
async def audit_checkpoint(db: Transaction) -> Response:
    """The newest checkpoint of the audit log, as a signed note: its size and hash, and no more.

    Whoever keeps it can have shown later that nothing before it was changed.
    """
    newest = await checkpoints.newest(db)
    if newest is None:
        raise NoCheckpoint
    headers = {
        "Cache-Control": "public, max-age=300",
        "Last-Modified": format_datetime(newest.made_at, usegmt=True),
    }
    return PlainTextResponse(newest.note, headers=headers)
