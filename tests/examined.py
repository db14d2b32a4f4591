"""That every page of the office is examined: what browser tests saw, against the routes.

Asked at the end of a run of all browser tests, as its workers have seen a part each.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest

HERE = Path(__file__).parent
EXAMINED: set[str] = set()
"""The paths of pages that `Screens.examine` looked at, in this process or in those it started."""


def unexamined(paths: set[str]) -> list[str]:
    """Pages of the office that none of the paths leads to: those whose code renders a template."""
    from fastapi.routing import iter_route_contexts
    from starlette.routing import compile_path

    from server.app import create_interface

    missed, left = [], set(paths)
    for route in iter_route_contexts(create_interface().routes):
        if "GET" in (route.methods or ()) and str(route.path).startswith("/office"):
            here = set(filter(compile_path(str(route.path))[0].match, left))
            left -= here  # as the server does, which takes the first that fits
            if not here and _renders(route.endpoint, set()):
                missed.append(str(route.path))
    return missed


def _renders(function: Callable[..., Any], seen: set[object]) -> bool:
    """Whether it does, or what it calls in the office's code."""
    from server import pages

    if function is pages.render:
        return True
    if function in seen or not isinstance(function, FunctionType):
        return False
    seen.add(function)
    inside = function.__module__.startswith("server.office")
    return inside and any(_renders(called, seen) for called in _called(function))


def _called(function: FunctionType) -> Iterator[Callable[..., Any]]:
    """What is called by a name that it knows, or by such a name of a module that it knows."""
    names = set(_names(function.__code__))
    known = [function.__globals__.get(name) for name in names]
    modules = [vars(module) for module in known if isinstance(module, ModuleType)]
    for place in (function.__globals__, *modules):
        yield from filter(callable, map(place.get, names & place.keys()))


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _names(inner)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    EXAMINED.update(getattr(node, "workeroutput", {}).get("examined", ()))


def pytest_sessionfinish(session: pytest.Session) -> None:
    config = session.config
    if hasattr(config, "workeroutput"):
        config.workeroutput["examined"] = sorted(EXAMINED)
        return
    asked = {Path(argument).resolve() for argument in config.args}
    whole = asked & {HERE, HERE / "browser"} and not (
        config.option.keyword or config.option.markexpr or config.option.collectonly
    )
    if whole and not session.testsfailed and (missed := unexamined(EXAMINED)):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        config.get_terminal_writer().line(f"\nno browser test examines {', '.join(missed)}")
