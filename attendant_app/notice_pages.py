"""The pages of notices: photos of a vehicle, what kind it is, and the paper that is left there."""

from datetime import datetime
from typing import Any

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from attendant_app import notices, prices, printing, problems, shifts
from attendant_app.endpoints import handheld_of
from attendant_app.pages import page, words
from attendant_app.runtime import new_id
from domain.tariff import VehicleClass


def _id(request: Request) -> str:
    return str(request.path_params["notice_id"])


def _go(notice_id: str) -> Response:
    return RedirectResponse(f"/notices/{notice_id}", 303)


async def _fields(request: Request, *names: str) -> list[str]:
    async with request.form(max_files=0, max_fields=4) as form:
        return [str(form.get(name, "")) for name in names]


async def listing(request: Request) -> Response:
    handheld = handheld_of(request)
    shifts.on_shift(handheld)
    local = prices.zone_of(handheld.store.master_data())
    return page(request, "notices.html", notices=notices.listed(handheld), local=local)


async def begin(request: Request) -> Response:
    check, plate = await _fields(request, "check", "plate")
    if not check.isascii() or not check.isdigit() or len(check) > 18:
        raise problems.InvalidRequest("check")
    return _go(notices.begin(handheld_of(request), new_id(), int(check), plate).id)


async def show(request: Request) -> Response:
    return _page(request)


def _page(request: Request, status: int = 200, **values: Any) -> Response:
    handheld = handheld_of(request)
    shifts.on_shift(handheld)
    found = notices.find(handheld, _id(request))
    master = handheld.store.master_data()
    looking = found.may_have_more and (not found.photos or "foto" in request.query_params)
    return page(
        request,
        "notice.html" if found.number is None else "notice_issued.html",
        status,
        notice=found,
        place=(prices.spot_in(master, found.spot) or {}).get("place", ""),
        local=prices.zone_of(master),
        expired_at=datetime.fromisoformat(found.expired_at) if found.expired_at else None,
        looking=looking,
        camera=handheld.camera,
        typed=f"/notices/{found.id}/photos",
        classes=list(VehicleClass),
        **values,
    )


async def photos_fragment(request: Request) -> Response:
    handheld = handheld_of(request)
    shifts.on_shift(handheld)
    return page(request, "_notice_photos.html", notice=notices.find(handheld, _id(request)))


async def add_photo(request: Request) -> Response:
    """The camera sends a JPEG by itself; a form brings what was chosen or taken otherwise."""
    try:
        await notices.add_photo(handheld_of(request), _id(request), await _picture(request))
    except problems.PictureRefused as problem:
        return _page(request, problem.status, error=words(request, problem))
    return _go(_id(request))


async def _picture(request: Request) -> bytes:
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return await request.body()
    async with request.form(max_files=1, max_fields=2) as form:
        image = form.get("image")
        return await image.read() if isinstance(image, UploadFile) else b""


async def photo(request: Request) -> Response:
    handheld = handheld_of(request)
    shifts.on_shift(handheld)
    place = request.path_params["place"]
    return Response(notices.photo(handheld, _id(request), place), media_type="image/jpeg")


async def remove_photo(request: Request) -> Response:
    notices.remove_photo(handheld_of(request), _id(request), request.path_params["place"])
    return _go(_id(request))


async def discard(request: Request) -> Response:
    notices.discard(handheld_of(request), _id(request))
    return RedirectResponse("/checks/vehicles", 303)


async def issue(request: Request) -> Response:
    """Issued, it is on record; paper that cannot be had now is printed later."""
    handheld = handheld_of(request)
    vehicle_class, plate = await _fields(request, "vehicle_class", "plate")
    before = notices.find(handheld, _id(request))
    issued = notices.issue(handheld, _id(request), vehicle_class, plate)
    if before.number is None:
        printing.unasked(handheld, "notice", issued.id)
    return _go(issued.id)


ROUTES = [
    Route("/notices", listing, methods=["GET"]),
    Route("/notices", begin, methods=["POST"]),
    Route("/notices/{notice_id}", show),
    Route("/fragments/notices/{notice_id}/photos", photos_fragment),
    Route("/notices/{notice_id}/photos", add_photo, methods=["POST"]),
    Route("/notices/{notice_id}/photos/{place:int}.jpg", photo),
    Route("/notices/{notice_id}/photos/{place:int}/remove", remove_photo, methods=["POST"]),
    Route("/notices/{notice_id}/issue", issue, methods=["POST"]),
    Route("/notices/{notice_id}/discard", discard, methods=["POST"]),
]
