"""What a scanned or typed text is: first what the text itself and this device's records tell, then
what the office says. Whatever is not ours is named for what it is, and never opened.
"""

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

import httpx

import qris
from attendant_app import (
    cards,
    covered,
    paperwork,
    prices,
    problems,
    proofs,
    server_api,
    service,
    shifts,
    vouchers,
)
from attendant_app.proofs import Reading, Verdict
from attendant_app.runtime import Handheld
from domain import check_digit
from domain.card import is_card
from domain.covered import is_pass
from domain.parking import ZONE_CODE, SpotCodeError, parse_spot_code
from domain.proof import Proof, is_proof
from domain.receipt import ReceiptNumberError, parse_receipt_number, receipt_number
from domain.voucher import is_voucher

LONGEST_TEXT = 4096
# Two short phases: who holds a phone before the camera is not kept waiting for a slow line.
ASKING = httpx.Timeout(1.5, connect=1)
_NAME_LENGTH = 60


class Kind(StrEnum):
    """What a text is by its own form."""

    SPOT = "spot"
    RECEIPT = "receipt"
    QRIS = "qris"
    CONSUMER_QRIS = "consumer-qris"
    PROOF = "proof"
    VOUCHER = "voucher"
    CARD = "card"
    PASS = "pass"  # noqa: S105 - a season ticket
    ENROLMENT = "enrolment"
    MISTYPED = "mistyped"
    IMPOSTER = "imposter"
    PAYMENT = "payment"
    WEB = "web"
    WIFI = "wifi"
    CONTACT = "contact"
    PHONE = "phone"
    MESSAGE = "message"
    MAIL = "mail"
    PLACE = "place"
    EVENT = "event"
    NUMBER = "number"
    TEXT = "text"


@dataclass(frozen=True)
class Recognised:
    """`name` is what a person knows it by: a spot's code, a merchant, a web address' host."""

    kind: Kind
    name: str


_ENROLMENT = re.compile(r"KARCIS-ENROL:([\w -]{1,100})", re.ASCII | re.IGNORECASE)
_SPOT_SHAPE = re.compile(f"{ZONE_CODE}[0-9]{{3,5}}[0-9A-Z]")
_RECEIPT_SHAPE = re.compile(f"{ZONE_CODE}[2-9][0-9]{{9,15}}[0-9A-Z]")
# As far as a number can be told from a slip in a spot's code: by its year.
_RECEIPT_BEGUN = re.compile(f"{ZONE_CODE}2(?:0(?:[23](?:[0-9]{{1,13}}[0-9A-Z]?)?)?)?")
# What QR codes commonly hold, by how such texts begin (ZXing's "Barcode Contents").
_FOREIGN_FORMS: tuple[tuple[str, Kind], ...] = (
    ("wifi:", Kind.WIFI),
    ("begin:vcard", Kind.CONTACT),
    ("mecard:", Kind.CONTACT),
    ("tel:", Kind.PHONE),
    ("sms:", Kind.MESSAGE),
    ("smsto:", Kind.MESSAGE),
    ("mailto:", Kind.MAIL),
    ("matmsg:", Kind.MAIL),
    ("geo:", Kind.PLACE),
    ("begin:vevent", Kind.EVENT),
    ("begin:vcalendar", Kind.EVENT),
)


_SIGNED_BY_THE_OFFICE = (
    (is_proof, Kind.PROOF),
    (is_voucher, Kind.VOUCHER),
    (is_pass, Kind.PASS),
    (is_card, Kind.CARD),
)


def read(text: str, site: str) -> Recognised:
    """What a text is by its own form; `site` is where our own signs and receipts lead."""
    if text.lower().startswith(("http://", "https://", "www.")):
        return _web(text, site)
    if found := _code(text):
        return found
    if text.startswith("000201"):
        return _payment(text)
    if text.startswith(qris.consumer.PREFIX):
        return _consumer(text)
    for claims_to_be, signed in _SIGNED_BY_THE_OFFICE:
        if claims_to_be(text):
            return Recognised(signed, "")
    if enrolment := _ENROLMENT.fullmatch(text):
        return Recognised(Kind.ENROLMENT, enrolment[1])
    lowered = text.lower()
    for beginning, kind in _FOREIGN_FORMS:
        if lowered.startswith(beginning):
            return Recognised(kind, _told(kind, text))
    return Recognised(Kind.NUMBER if text.isdigit() else Kind.TEXT, short(text))


def _code(text: str) -> Recognised | None:
    """A spot's code or a receipt's number, right or with a slip in it."""
    try:
        return Recognised(Kind.SPOT, parse_spot_code(text))
    except SpotCodeError:
        pass
    try:
        return Recognised(Kind.RECEIPT, receipt_number(*parse_receipt_number(text)))
    except ReceiptNumberError:
        pass
    try:
        bare = check_digit.typed(text)
    except check_digit.CheckDigitError:
        return None
    slipped = _SPOT_SHAPE.fullmatch(bare) or _RECEIPT_SHAPE.fullmatch(bare)
    return Recognised(Kind.MISTYPED, short(text)) if slipped else None


def _web(text: str, site: str) -> Recognised:
    """Our own signs' and receipts' addresses; one that only looks like them is an imposter's."""
    try:
        address = urlsplit(text if "://" in text else f"//{text}")
        host = address.hostname or ""
    except ValueError:
        return Recognised(Kind.WEB, short(text))
    code = _code(address.path.rpartition("/")[2])
    if code is None or code.kind is Kind.MISTYPED:
        return Recognised(Kind.WEB, short(host))
    return code if text.startswith(f"{site}/") else Recognised(Kind.IMPOSTER, short(host))


def _payment(text: str) -> Recognised:
    try:
        return Recognised(Kind.QRIS, short(qris.parse(text).name))
    except qris.QrisError:
        return Recognised(Kind.PAYMENT, "")


def _consumer(text: str) -> Recognised:
    try:
        qris.consumer.parse(text)
    except qris.QrisError:
        return Recognised(Kind.PAYMENT, "")
    return Recognised(Kind.CONSUMER_QRIS, "")


def _told(kind: Kind, text: str) -> str:
    """A word to know it by. Never a Wi-Fi's password."""
    if kind is Kind.WIFI:
        network = re.search(r"(?:^wifi:|;)s:((?:[^;\\]|\\.)*)", text, re.IGNORECASE)
        return short(network[1]) if network else ""
    if kind is Kind.CONTACT:
        name = re.search(r"(?:^fn:|^mecard:n:)([^;\r\n]*)", text, re.IGNORECASE | re.MULTILINE)
        return short(name[1]) if name else ""
    if kind is Kind.EVENT:
        return ""
    return short(re.split(r"[?;,]", text.partition(":")[2])[0])


def short(text: str) -> str:
    """One printable line, so that a text cannot play the screen's own words."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= _NAME_LENGTH else f"{line[: _NAME_LENGTH - 1]}…"


def site_of(handheld: Handheld) -> str:
    """Where our signs and receipts lead, as the office says; before that, the office's address."""
    regency = (handheld.store.master_data() or {}).get("regency", {})
    return str(regency.get("site") or handheld.settings.server_url)


# With this device's records and the office


async def resolve(handheld: Handheld, text: str, worked_at: str = "") -> dict[str, Any]:
    """What a text means here and now. The office is asked only where the answer lies with it.

    `worked_at` is the spot that the attendant has open: a proof of another zone is none here.
    """
    shifts.on_shift(handheld)
    text = text.strip()
    if not text or len(text) > LONGEST_TEXT:
        raise problems.InvalidRequest("text")
    own = handheld.store.charge_by_qris(text)
    if own is not None:
        return {"kind": "charge", "charge": service.view(handheld, own)}
    if stay_id := paperwork.stay_of(handheld, text):
        return {"kind": "stay", "stay": {"id": stay_id}}
    found = read(text, site_of(handheld))
    match found.kind:
        case Kind.SPOT:
            return _spot(handheld, found.name)
        case Kind.RECEIPT:
            return await _receipt(handheld, found.name)
        case Kind.QRIS:
            return await _qris(handheld, text)
        case Kind.PROOF | Kind.VOUCHER | Kind.CARD | Kind.PASS:
            return await _signed(handheld, found.kind, text, worked_at)
        case Kind.CONSUMER_QRIS | Kind.MISTYPED | Kind.ENROLMENT:
            return {"kind": found.kind.value}
        case Kind.IMPOSTER:
            return {"kind": "imposter", "name": found.name}
    return {"kind": "unknown", "what": found.kind.value, "name": found.name}


async def _signed(handheld: Handheld, kind: Kind, text: str, worked_at: str) -> dict[str, Any]:
    """What the office signed is read here first; its word on a card is asked for."""
    if kind is Kind.PROOF:
        return await _proof(handheld, text, worked_at)
    if kind is Kind.VOUCHER:
        return vouchers.found(handheld, text)
    if kind is Kind.PASS:
        return covered.found(handheld, text)
    return cards.found(handheld, text, (await _ask_office(handheld, text) or {}).get("card"))


def _spot(handheld: Handheld, code: str) -> dict[str, Any]:
    spot = prices.spot_in(handheld.store.master_data(), code)
    if spot is None:
        return {"kind": "unknown-spot", "name": code}
    return {"kind": "spot", "spot": spot}


async def _receipt(handheld: Handheld, number: str) -> dict[str, Any]:
    own = handheld.store.charge_by_receipt(number)
    if own is not None and own.known and own.state == "paid":
        return {"kind": "receipt", "receipt": own.known["receipt"]}
    answer = await _ask_office(handheld, number)
    if answer is None:
        return {"kind": "unverified", "what": "receipt", "name": number}
    return answer if answer.get("kind") == "receipt" else {"kind": "no-receipt", "name": number}


async def _qris(handheld: Handheld, text: str) -> dict[str, Any]:
    answer = await _ask_office(handheld, text)
    if answer is not None and answer.get("kind") == "charge":
        charge = service.adopt(handheld, answer["charge"])
        return {"kind": "charge", "charge": service.view(handheld, charge)}
    payload = qris.parse(text)
    merchant = {"name": short(payload.name), "nmid": payload.nmid}
    # Every code of ours is for one payment, so one for many is a stranger's also when nobody
    # can be asked: that is the sticker over a sign.
    if answer is not None or not payload.is_dynamic:
        return {"kind": "foreign-qris", "merchant": merchant, "amount_rp": payload.amount_rp}
    return {"kind": "unverified", "what": "qris", "name": merchant["name"]}


async def _proof(handheld: Handheld, text: str, worked_at: str) -> dict[str, Any]:
    """A proof by this device's records, and by the office's where it can be asked.

    The office knows of money that went back a moment ago, and of keys newer than those here.
    """
    reading = proofs.judge(handheld, text)
    if reading.verdict is Verdict.PAID and of_another_zone(handheld, reading.proof, worked_at):
        reading = replace(reading, verdict=Verdict.ELSEWHERE)
    charge = None
    if reading.verdict in (Verdict.PAID, Verdict.UNKNOWN_KEY):
        # Asked before green is shown: of two handhelds that hold up one proof, one is first.
        answer = await _ask_office(handheld, text, take=reading.taken is None)
        charge = (answer or {}).get("charge")
        if answer is not None and charge is None:
            # The office withdrew its key, or has no such charge.
            reading = Reading(Verdict.UNKNOWN_KEY)
        elif answer is not None and answer.get("taken"):
            reading = replace(reading, verdict=Verdict.TAKEN, elsewhere=answer["taken"])
    if charge is not None:
        adopted = service.adopt(handheld, charge)
        if adopted.state != "paid":
            reading = replace(reading, verdict=Verdict.VOID)
        elif reading.verdict is Verdict.UNKNOWN_KEY:
            return {"kind": "charge", "charge": service.view(handheld, adopted)}
    proofs.take(handheld, reading)
    return _told_of_proof(reading)


def _told_of_proof(reading: Reading) -> dict[str, Any]:
    told: dict[str, Any] = {"kind": "proof", "verdict": reading.verdict.value}
    if reading.proof is not None:
        told["proof"] = {
            "spot": reading.proof.spot_code,
            "vehicle_class": reading.proof.vehicle_class.value,
            "amount_rp": reading.proof.amount_rp,
            "paid_at": reading.proof.paid_at.isoformat(),
            "receipt": reading.proof.receipt_number,
            "code": f"{reading.proof.charge_id.int % 10_000:04d}",
        }
    if reading.elsewhere is not None:
        told |= {f"taken_{name}": reading.elsewhere[name] for name in ("at", "attendant", "spot")}
    elif reading.verdict is Verdict.TAKEN and reading.taken is not None:
        told["taken_at"] = reading.taken["at"]
    return told


def of_another_zone(handheld: Handheld, proof: Proof | None, worked_at: str) -> bool:
    """Whether a proof was paid for a spot of another zone than the one worked at."""
    master = handheld.store.master_data()
    here = prices.spot_in(master, worked_at)
    there = prices.spot_in(master, proof.spot_code) if proof else None
    return here is not None and (there is None or there["zone"]["code"] != here["zone"]["code"])


async def _ask_office(
    handheld: Handheld, text: str, *, take: bool = False
) -> dict[str, Any] | None:
    """The office's word about a text; None where it cannot be had now. `take`: a proof is ours."""
    shift = shifts.on_shift(handheld)
    if shift.token is None or not handheld.link.online:
        return None
    try:
        answer = await server_api.call(
            handheld.http,
            "POST",
            "/v1/barcodes/resolve",
            token=shift.token,
            body={"text": text, "take": take},
            timeout=ASKING,
        )
    except (server_api.NoAnswer, server_api.Refusal):
        return None
    handheld.link.learn_time(answer.server_time)
    return answer.body


def several(handheld: Handheld, texts: list[str]) -> list[dict[str, str]]:
    """What stands to be chosen where more than one code is in view, named without asking.

    An empty text is a code that stays unread: the choice is between the others and coming nearer.
    """
    site = site_of(handheld)
    return [_choice(text, site) for text in texts]


def _choice(text: str, site: str) -> dict[str, str]:
    if not text.strip():
        return {"text": "", "what": "unread", "name": ""}
    recognised = read(text.strip(), site)
    return {"text": text, "what": recognised.kind.value, "name": recognised.name}


# While it is typed


def typed(handheld: Handheld, text: str) -> dict[str, Any]:
    """What a code is while it is being typed: `begun`, `spot`, `receipt`, or wrong, said at once.

    `mistyped` is what no spot known here begins with, or ends in another check character;
    `unknown-spot` is written right and not on this device's list.
    """
    shifts.on_shift(handheld)
    try:
        bare = check_digit.typed(text)
    except check_digit.CheckDigitError:
        return {"state": "mistyped" if text.strip() else "begun"}
    master = handheld.store.master_data() or {}
    spots = {str(spot["code"]): spot for spot in master.get("spots", ())}
    found = _code(text)
    if found is not None and found.kind is Kind.SPOT and found.name in spots:
        return {"state": "spot", "spot": spots[found.name]}
    if found is not None and found.kind is Kind.RECEIPT:
        return {"state": "receipt"}
    if any(code.replace("-", "").startswith(bare) for code in spots) or not spots:
        return {"state": "begun"}
    if found is not None and found.kind is Kind.SPOT:
        return {"state": "unknown-spot"}
    return {"state": "begun" if _RECEIPT_BEGUN.fullmatch(bare) else "mistyped"}
