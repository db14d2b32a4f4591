"""Every text of the templates has its English, and moments are told as each language does."""

from datetime import UTC, datetime
from pathlib import Path

from babel.messages.extract import extract_from_dir
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from fastapi import FastAPI
from starlette.requests import Request

from server import pages
from server.payments.books import Books

LOCALE = pages.HERE / "locale" / "en" / "LC_MESSAGES"


def in_templates() -> set[str]:
    found = extract_from_dir(
        pages.HERE,
        method_map=[
            ("driver/**.html", "jinja2"),
            ("office/**.html", "jinja2"),
            ("open_data/**.html", "jinja2"),
            ("templates/**.html", "jinja2"),
        ],
        options_map={"**.html": {"trimmed": "true"}},
    )
    return {message for _, _, message, _, _ in found if isinstance(message, str)}


def test_every_text_has_its_english_and_no_english_is_left_over() -> None:
    with (LOCALE / "messages.po").open("rb") as file:
        catalogue = {str(m.id): str(m.string) for m in read_po(file) if m.id}
    assert len(in_templates()) > 60
    assert set(catalogue) == in_templates()
    assert all(catalogue.values())


def test_what_was_compiled_is_what_is_written() -> None:
    with (LOCALE / "messages.po").open("rb") as po, (LOCALE / "messages.mo").open("rb") as mo:
        written = {str(m.id): str(m.string) for m in read_po(po) if m.id}
        compiled = {str(m.id): str(m.string) for m in read_mo(mo) if m.id}
    assert compiled == written, "make setup compiles the messages"


def test_a_moment_is_told_in_the_regencys_zone_and_the_readers_language(
    books: Books, tmp_path: Path
) -> None:
    (tmp_path / "moment.html").write_text("{{ when(at) }}|{{ when(at, day=False) }}")
    at = datetime(2026, 8, 16, 17, 5, tzinfo=UTC)

    def told(language: str) -> str:
        scope = {
            "type": "http", "app": FastAPI(), "path": "/", "headers": [],
            "query_string": f"lang={language}".encode(),
        }  # fmt: skip
        page = pages.render(Request(scope), tmp_path, "moment.html", books=books, at=at)
        return bytes(page.body).decode()

    assert told("id") == "17 Agu 2026, 00.05 WIB|00.05 WIB"
    assert told("en") == "17 Aug 2026, 00.05 WIB|00.05 WIB"
