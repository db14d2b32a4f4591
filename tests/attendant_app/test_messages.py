"""Every word in both languages, and no word that does not exist."""

import re
from pathlib import Path

import pytest

from attendant_app import messages, problems, scanner, slip_pages
from attendant_app.paperwork import RECEIPT
from domain.device import DeviceState
from domain.payment import RefundMethod, RefundReason
from printer.spooler import JobState
from printer.status import State

PACKAGE = Path(messages.__file__).parent
FIELD = re.compile(r"\{(\w+)\}")


@pytest.mark.parametrize("key", messages.MESSAGES)
def test_both_languages_say_it_with_the_same_values(key: str) -> None:
    bahasa, english = messages.MESSAGES[key]
    assert bahasa.strip()
    assert english.strip()
    assert set(FIELD.findall(bahasa)) == set(FIELD.findall(english))


def test_every_key_a_template_names_exists_and_every_key_is_named() -> None:
    sources = [*PACKAGE.glob("templates/*.html"), *PACKAGE.glob("*.py")]
    text = "\n".join(path.read_text() for path in sources if path.name != "messages.py")
    named = set(re.findall(r"""\bt\(\s*["']([\w-]*\w)["']""", text))
    assert named - set(messages.MESSAGES) == set()
    built = (
        "device-",
        "print-",
        "printer-",
        "flag-",
        "picture-",
        "found-",
        "what-",
        "pending-",
        "sign-",
        "stay-",
        "card-",
        "training-",
        "void-",
        "wish-",
        "slip-",
        "notice-",
        "refund-",
    )
    own = (PACKAGE / "messages.py").read_text()
    unused = {
        key
        for key in messages.MESSAGES
        if not key.startswith(built)
        and f'"{key}"' not in text
        and f"'{key}'" not in text
        and own.count(f'"{key}"') < 2
    }
    assert unused == set()


def test_every_state_has_words() -> None:
    for state in JobState:
        assert f"print-{state}" in messages.MESSAGES
    for state in State:
        assert f"printer-{state}" in messages.MESSAGES
    for reason in ("interrupted", "unprintable", "not-paid", "no-word", "unreachable"):
        assert f"printer-{reason}" in messages.MESSAGES
    for kind in slip_pages.PAGES:
        assert f"slip-{kind}" in messages.MESSAGES
        assert kind == RECEIPT or f"slip-named-{kind}" in messages.MESSAGES
    for method in RefundMethod:
        assert f"refund-by-{method}" in messages.MESSAGES
    for reason in (*RefundReason, "waiting", "accepted", "quarantined"):
        assert f"wish-{reason}" in messages.MESSAGES
    for state in (*DeviceState, "unknown"):
        assert f"device-{state}" in messages.MESSAGES or state is DeviceState.ACTIVE
    reasons = re.findall(r'PictureError\("([\w-]+)"\)', Path(scanner.__file__).read_text())
    assert {f"{reason}" for reason in reasons} <= set(messages.MESSAGES)


def test_every_problem_speaks_both_languages() -> None:
    kinds = problems.Problem.__subclasses__()
    assert len({kind.slug for kind in kinds}) == len(kinds)
    for kind in kinds:
        assert kind.title_id
        assert kind.title_en
        assert 400 <= kind.status < 600


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 dtk"), (59, "59 dtk"), (60, "1 mnt"), (7300, "2 jam")]
)
def test_ages_are_short(seconds: int, words: str) -> None:
    assert messages.age(seconds, "id") == words


def test_an_unknown_key_is_loud() -> None:
    with pytest.raises(KeyError):
        messages.text("no-such-key", "id")
