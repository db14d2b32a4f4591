"""Server-made pages: templates, languages, and the headers that keep scripts of others out."""

import gettext
from datetime import date, datetime
from functools import cache, partial
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Request, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from pydantic import BeforeValidator, Field
from starlette.datastructures import QueryParams, UploadFile

from domain.money import format_rp
from server.errors import language_of
from server.moments import day_text
from server.payments.books import Books
from server.reports.case_words import CASES, DIFFERENCES

HERE = Path(str(files("server")))
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    # Not no-referrer: with it a browser sends `Origin: null` from our own forms.
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "geolocation=(), microphone=(), camera=()",
}
ZONE_NAMES = {7: "WIB", 8: "WITA", 9: "WIT"}


@cache
def _environment(folder: Path, language: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader([folder, HERE / "templates"]),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    translations = gettext.translation(
        "messages", HERE / "locale", languages=[language], fallback=language == "id"
    )
    environment.install_gettext_translations(translations, newstyle=True)  # type: ignore[attr-defined]
    environment.globals["said_of"] = {
        name: {kind: said.in_(language) for kind, said in words.items()}
        for name, words in (("differences", DIFFERENCES), ("cases", CASES))
    }
    environment.filters["rp"] = format_rp
    environment.filters["day"] = partial(day_text, language=language)
    return environment


def render(
    request: Request,
    folder: Path,
    template: str,
    *,
    books: Books,
    status: int = 200,
    headers: dict[str, str] | None = None,
    **values: Any,
) -> Response:
    """A page of `folder` in the reader's language."""
    language = language_of(request)
    html = text(
        folder,
        template,
        books=books,
        language=language,
        path=request.url.path,
        query=request.url.query,
        this_page=partial(_this_page, request.query_params),
        here=request.url.path,
        confirmed=getattr(request.state, "confirmed", False),
        rights=getattr(request.state, "rights", frozenset()),
        unit=getattr(request.state, "unit", None),
        **values,
    )
    return answer(request, language, html, status=status, headers=headers)


def _this_page(query: QueryParams, **changed: str | None) -> str:
    """The page's own address with some of its query changed, None to leave it out."""
    kept = {**query, **changed}
    return "?" + urlencode({name: value for name, value in kept.items() if value is not None})


def text(
    folder: Path,
    template: str,
    *,
    books: Books,
    language: str,
    path: str,
    query: str,
    unit: str | None = None,
    **values: Any,
) -> str:
    """A page of `folder` as HTML, for who reads it at an address in a language."""

    def when(moment: datetime, *, day: bool = True) -> str:
        local = moment.astimezone(books.timezone)
        offset = local.utcoffset()
        zone = ZONE_NAMES.get(int(offset.total_seconds()) // 3600, "") if offset else ""
        clock = f"{local:%H.%M} {zone}".rstrip()
        return f"{day_text(local, language)}, {clock}" if day else clock

    other_language = "id" if language == "en" else "en"
    in_other = urlencode({**QueryParams(query), "lang": other_language})
    return (
        _environment(folder, language)
        .get_template(template)
        .render(
            language=language,
            other_language=other_language,
            language_link=f"{path}?{in_other}",
            books=books,
            when=when,
            unit=unit,
            **values,
        )
    )


def answer(
    request: Request,
    language: str,
    html: str | bytes,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> Response:
    """HTML as the reader's browser is to take it."""
    response = Response(html, status, headers, "text/html")
    own = {name for name, _ in response.raw_headers}
    response.raw_headers += [told for told in _raw_headers(language) if told[0] not in own]
    if request.scope["query_string"] and request.query_params.get("lang") in ("id", "en"):
        response.set_cookie("lang", language, max_age=31_536_000, samesite="lax")
    return response


@cache
def _raw_headers(language: str) -> list[tuple[bytes, bytes]]:
    told = SECURITY_HEADERS | {"Cache-Control": "no-store", "Content-Language": language}
    return [(name.lower().encode(), value.encode()) for name, value in told.items()]


def _blank_is_none(value: Any) -> Any:
    """A browser sends every field of a form, a file that was not chosen with an empty name."""
    if isinstance(value, UploadFile) and not value.filename:
        return None
    return None if isinstance(value, str) and not value.strip() else value


Blank = BeforeValidator(_blank_is_none)
Day = Annotated[date, Field(ge=date(2000, 1, 1), le=date(2999, 12, 31))]
"""A day that has days before and after it in any calendar."""
DayOrNone = Annotated[Day | None, Blank]
Before = Annotated[Annotated[str, Field(max_length=120)] | None, Blank]
"""The place in a list after which a page of it goes on, as `server.paging` writes it."""
