"""The pages that count and close a shift: notes as pictures, the sum, one more question."""

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from attendant_app import closing, problems, shifts
from attendant_app.endpoints import handheld_of
from attendant_app.pages import page, words

FIELDS = len(closing.NOTES_RP) + 4


async def count(request: Request) -> Response:
    """Where a count was made already, that count: it is a fact and cannot be made again."""
    handheld = handheld_of(request)
    shift = shifts.signed_in(handheld)
    if closing.of_shift(handheld, shift.id) is not None:
        return RedirectResponse(f"/shifts/{shift.id}", 303)
    return page(request, "count.html", notes=closing.NOTES_RP)


async def confirm(request: Request) -> Response:
    """What was counted against what this device recorded, asked once more."""
    handheld = handheld_of(request)
    shift = shifts.signed_in(handheld)
    async with request.form(max_files=0, max_fields=FIELDS) as form:
        counted_rp = _counted(form)
    shown_rp = closing.expected_rp(handheld, shift.id)
    facts = {"counted_rp": counted_rp, "shown_rp": shown_rp}
    return page(request, "count_confirm.html", difference_rp=counted_rp - shown_rp, **facts)


def _counted(form: FormData) -> int:
    """Pieces times what each is worth, and coins by their sum; an empty field is none."""
    pieces = {rp: _whole(form, f"n{rp}") for rp in closing.NOTES_RP}
    return sum(rp * number for rp, number in pieces.items()) + _whole(form, "coins")


def _whole(form: FormData, name: str) -> int:
    text = str(form.get(name, "")).strip() or "0"
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise problems.InvalidRequest(name)
    return int(text)


async def close(request: Request) -> Response:
    handheld = handheld_of(request)
    shift = shifts.signed_in(handheld)
    async with request.form(max_files=0, max_fields=FIELDS) as form:
        counted_rp, held_seen = _whole(form, "counted_rp"), _whole(form, "held_seen")
    try:
        await closing.close(handheld, counted_rp, held_seen)
    except problems.Problem as problem:
        shown_rp = closing.expected_rp(handheld, shift.id)
        return page(
            request,
            "count_confirm.html",
            problem.status,
            counted_rp=counted_rp,
            shown_rp=shown_rp,
            difference_rp=counted_rp - shown_rp,
            error=words(request, problem),
        )
    return RedirectResponse(f"/shifts/{shift.id}", 303)


async def closed(request: Request) -> Response:
    return page(request, "closed.html", closing=_closing(request))


async def closed_fragment(request: Request) -> Response:
    return page(request, "_closed.html", closing=_closing(request))


def _closing(request: Request) -> closing.Closing:
    found = closing.of_shift(handheld_of(request), request.path_params["shift_id"])
    if found is None:
        raise problems.NotFound
    return found


ROUTES = [
    Route("/shift/close", count, methods=["GET"]),
    Route("/shift/count", confirm, methods=["POST"]),
    Route("/shift/close", close, methods=["POST"]),
    Route("/shifts/{shift_id}", closed),
    Route("/fragments/shifts/{shift_id}", closed_fragment),
]
