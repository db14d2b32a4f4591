"""What no request gets past: bodies too large, and forms that another site sent.

Plain ASGI, in front of everything, so that nothing is read or parsed before it is judged.
"""

import re
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.errors import Problem, respond

MAX_BODY = 1024 * 1024
MAX_FILE = 101 * 1024 * 1024
FILE_PATHS = (
    "/office/settlement",
    "/office/settlement/preview",
    "/office/statement",
    "/office/statement/preview",
    "/office/corrections",
    "/office/payouts/results",
    "/office/payouts/results/preview",
)
MAX_SPOT_FILE = 9 * 1024 * 1024
SPOT_FILE_PATHS = "/office/spots/files/"
MAX_PICTURE = 13 * 1024 * 1024
PICTURE_PATHS = ("/pengaduan", "/periksa")
SIGN_PHOTO = re.compile(r"/office/signs/[^/]+/photo")
FORM_PATHS = (
    "/office",
    "/p/",
    "/c/",
    "/s/",
    "/r/",
    "/cari",
    "/langganan",
    "/pemberitahuan",
    *PICTURE_PATHS,
)


class BodyTooLarge(Problem):
    slug = "body-too-large"
    status = 413
    title_id = "Kiriman terlalu besar"
    title_en = "The request body is too large"

    def __init__(self, limit: int) -> None:
        super().__init__(f"at most {most_mb(limit)} MB")
        self.limit = limit

    def body(self, language: str) -> dict[str, Any]:
        english = f"At most {most_mb(self.limit)} MB."
        indonesian = f"Paling besar {most_mb(self.limit)} MB."
        if self.limit == MAX_SPOT_FILE:
            english += " Split the file, with all codes of a spot in one part."
            indonesian += " Bagi berkasnya; semua kode satu titik tetap dalam satu bagian."
        told = english if language == "en" else indonesian
        return super().body(language) | {"detail": told}


def most_mb(limit: int) -> int:
    """How large a file may be: of a form's limit, one is for the form around it."""
    return max(1, (limit >> 20) - 1)


class ForeignForm(Problem):
    slug = "foreign-form"
    status = 403
    title_id = "Formulir ini dikirim dari situs lain"
    title_en = "This form was sent from another site"


class Guard:
    """Refuses with a problem; counts a body also where its length is not told."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        limit = _limit(scope["path"])
        told = headers.get("content-length", "0")
        if not told.isdigit() or int(told) > limit:
            await respond(Request(scope), BodyTooLarge(limit))(scope, receive, send)
        elif _from_elsewhere(scope, headers):
            await respond(Request(scope), ForeignForm())(scope, receive, send)
        else:
            await self.app(scope, _counted(receive, limit), send)


def _limit(path: str) -> int:
    if path in FILE_PATHS:
        return MAX_FILE
    if path.startswith(SPOT_FILE_PATHS):
        return MAX_SPOT_FILE
    is_picture = path in PICTURE_PATHS or SIGN_PHOTO.fullmatch(path)
    return MAX_PICTURE if is_picture else MAX_BODY


def _counted(receive: Receive, limit: int) -> Receive:
    read = 0

    async def counting() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > limit:
            raise BodyTooLarge(limit)
        return message

    return counting


def _from_elsewhere(scope: Scope, headers: Headers) -> bool:
    """Whether a browser says that another site's page sent this form."""
    if scope["method"] != "POST" or not scope["path"].startswith(FORM_PATHS):
        return False
    # First what the browser itself says: `Origin` is "null" wherever a page tells no referrer.
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != headers.get("host")
