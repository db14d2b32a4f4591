"""Numbers of notices, their links under a device's signature, and their states."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from domain import notice
from domain.notice import Finding, NoticeError, NoticeEvent, NoticeFacts, NoticeState
from domain.parking import spot_code
from domain.states import TransitionRefused
from domain.tariff import VehicleClass

SITE = "https://parkir.contoh.go.id"
KEY = Ed25519PrivateKey.generate()
DEVICE = "0198f000-0000-7000-8000-000000000001"
OF = notice.series(DEVICE)
KEYS = {
    OF: [
        Ed25519PrivateKey.generate().public_key().public_bytes_raw(),
        KEY.public_key().public_bytes_raw(),
    ]
}
FACTS = NoticeFacts(
    notice.number(OF, 12),
    spot_code("MTG", 12),
    VehicleClass.CAR,
    Finding.NONE,
    datetime(2026, 11, 21, 7, 5, tzinfo=UTC),
    5_000,
)


def test_a_number_is_of_its_device_and_every_slip_in_it_is_noticed() -> None:
    number = FACTS.number
    assert notice.parse_number(number.lower().replace("-", " ")) == (OF, 12)
    assert len(number) <= 20
    assert notice.series(DEVICE[:-1] + "2") != OF
    for place, character in enumerate(number):
        if character == "-":
            continue
        wrong = number[:place] + ("7" if character != "7" else "8") + number[place + 1 :]
        with pytest.raises(NoticeError, match="not-a-notice"):
            notice.parse_number(wrong)
    with pytest.raises(ValueError, match="sequence 0"):
        notice.number(OF, 0)


@pytest.mark.parametrize("amount_rp", [5_000, None])
def test_a_link_says_what_its_device_signed(amount_rp: int | None) -> None:
    facts = replace(FACTS, amount_rp=amount_rp)
    assert notice.verify(notice.make_link(SITE, facts, KEY.sign), SITE, KEYS) == facts


def test_any_change_of_a_link_is_told() -> None:
    link = notice.make_link(SITE, FACTS, KEY.sign)
    for place in range(len(SITE) + 1, len(link) - 1):
        other = "A" if link[place] != "A" else "B"
        with pytest.raises(NoticeError):
            notice.verify(link[:place] + other + link[place + 1 :], SITE, KEYS)


@pytest.mark.parametrize(
    ("text", "keys", "reason"),
    [
        ("https://bit.ly/x", KEYS, "not-a-notice"),
        (f"{SITE}/pemberitahuan/", KEYS, "forged"),
        (f"{SITE}/pemberitahuan/{FACTS.number}?p=....", KEYS, "forged"),
        (notice.make_link(SITE, FACTS, KEY.sign), {}, "unknown-series"),
        (notice.make_link(SITE, FACTS, Ed25519PrivateKey.generate().sign), KEYS, "forged"),
    ],
)
def test_what_is_no_notice_of_ours_is_told_by_a_reason(
    text: str, keys: dict[str, list[bytes]], reason: str
) -> None:
    with pytest.raises(NoticeError) as error:
        notice.verify(text, SITE, keys)
    assert error.value.reason == reason


def test_what_is_settled_stays_so() -> None:
    for state in (NoticeState.PAID, NoticeState.WITHDRAWN):
        for event in NoticeEvent:
            with pytest.raises(TransitionRefused):
                notice.advance(state, event)
    back = notice.advance(NoticeState.OBJECTED, NoticeEvent.STOOD)
    assert back is NoticeState.ISSUED
