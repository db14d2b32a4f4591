"""Notifications as nobody honest sends them, to see that the partner believes none.

A lie changes what is said before it is signed; tampering changes the message afterwards.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Take = Callable[[str], float | None]
_OVERSIZED_BYTES = 1_100_000


@dataclass
class Letter:
    """A notification ready to go; tampering changes it in place."""

    url: str
    body: bytes
    headers: dict[str, str]


def lied(body: dict[str, Any], take: Take) -> bool:
    """Changes what the notification says; whether anything was changed."""
    lies = {
        "notify_other_merchant": _other_merchant,
        "notify_wrong_amount": lambda said: _add_rp(said, 1),
        "notify_amount_less": lambda said: _add_rp(said, -1),
        "notify_other_currency": _other_currency,
        "notify_unknown_reference": _unknown_reference,
        "notify_oversized": _oversized,
        "notify_without_paid_time": _without_paid_time,
    }
    told = [lie for name, lie in lies.items() if take(name) is not None]
    for lie in told:
        lie(body)
    return bool(told)


def shifted_s(take: Take) -> float:
    """How far from now the timestamp claims to be."""
    return (take("notify_future_timestamp") or 0) - (take("notify_old_timestamp") or 0)


def written(body: dict[str, Any], take: Take) -> bytes:
    """The JSON to sign; with duplicate keys the first amount is a lie and the last one true."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    if take("notify_duplicate_keys") is not None:
        name = "gross_amount" if "gross_amount" in body else "amount"
        other = json.dumps({name: _of(body, 1)}, separators=(",", ":"))
        text = f"{other[:-1]},{text[1:]}"
    return text.encode()


def tamper(letter: Letter, take: Take) -> None:
    """Changes a signed letter on its way."""
    if take("notify_altered_byte") is not None:
        at = letter.body.index(b'.00"') - 1
        other = b"8" if letter.body[at : at + 1] == b"9" else b"9"
        letter.body = letter.body[:at] + other + letter.body[at + 1 :]
    if take("notify_reserialised") is not None:
        said = dict(sorted(json.loads(letter.body).items(), reverse=True))
        letter.body = json.dumps(said, indent=2).encode()


def _places(body: dict[str, Any], names: tuple[str, ...]) -> Iterator[tuple[dict[str, Any], str]]:
    for place in (body, body.get("additionalInfo", {}), body.get("amount", {})):
        yield from ((place, name) for name in names if name in place)


def _other_merchant(body: dict[str, Any]) -> None:
    for place, name in _places(body, ("merchantId", "merchant_id")):
        place[name] = "PEDAGANG0000009"


def _other_currency(body: dict[str, Any]) -> None:
    for place, name in _places(body, ("currency",)):
        place[name] = "USD"


def _unknown_reference(body: dict[str, Any]) -> None:
    names = ("originalPartnerReferenceNo", "originalReferenceNo", "order_id", "transaction_id")
    for place, name in _places(body, names):
        place[name] = f"TAK-DIKENAL-{place[name]}"[-64:]


def _oversized(body: dict[str, Any]) -> None:
    body["padding"] = "x" * _OVERSIZED_BYTES


def _without_paid_time(body: dict[str, Any]) -> None:
    for place, name in _places(body, ("paidTime", "settlement_time")):
        del place[name]


def _of(body: dict[str, Any], more_rp: int) -> Any:
    """The body's amount in its own form, so many rupiah more."""
    if "gross_amount" in body:
        return _plus(body["gross_amount"], more_rp)
    return {**body["amount"], "value": _plus(body["amount"]["value"], more_rp)}


def _add_rp(body: dict[str, Any], more_rp: int) -> None:
    body["gross_amount" if "gross_amount" in body else "amount"] = _of(body, more_rp)


def _plus(value: str, more_rp: int) -> str:
    return f"{int(value.partition('.')[0]) + more_rp}.00"
