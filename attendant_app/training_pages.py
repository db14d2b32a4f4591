"""Entering and leaving practice, and playing the driver in it."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from attendant_app import problems, service, training
from attendant_app.pages import page, words
from attendant_app.training import Training


async def enter(request: Request) -> Response:
    state = request.app.state
    if state.training is None:
        try:
            state.training = training.enter(state.handheld)
        except problems.TrainingOnShift as problem:
            return page(request, "sign_in.html", problem.status, error=words(request, problem))
    return RedirectResponse("/", 303)


async def leave(request: Request) -> Response:
    state = request.app.state
    if state.training is not None:
        over, state.training = state.training, None
        await training.leave(state.handheld, over)
    return RedirectResponse("/", 303)


async def decide(request: Request) -> Response:
    """The driver of an exercise pays, does not, or is refused."""
    practising: Training | None = request.app.state.training
    if practising is None:
        raise problems.NotFound
    charge_id = request.path_params["charge_id"]
    async with request.form(max_files=0, max_fields=4) as form:
        decided = practising.office.decide(charge_id, str(form.get("outcome", "")))
    service.keep_answer(practising.handheld, charge_id, dict(decided))
    return RedirectResponse(f"/charges/{charge_id}", 303)


ROUTES = [
    Route("/training", enter, methods=["POST"]),
    Route("/training/leave", leave, methods=["POST"]),
    Route("/training/charges/{charge_id}", decide, methods=["POST"]),
]
