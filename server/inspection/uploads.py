"""Whether the codes on a photo that anybody took are ours; told without knowing where it was taken.

A payment code's form proves nothing, as anyone can make a sound one: only what we issued or
registered is ours.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit
from uuid import UUID

import zxingcpp
from PIL import Image, ImageOps
from sqlalchemy.ext.asyncio import AsyncSession

import qris
from domain import proof
from domain.payment import ChargeState
from domain.proof import ProofError
from domain.sign_link import PARAMETER, SignVerdict
from server.errors import Problem
from server.inspection import signs
from server.payments import queries, receipts
from server.payments.books import Books
from server.spots import service as spots
from server.spots import signs as links

MOST_CODES = 6
READ_SIDE = 2400
QR_ONLY = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)
AT_ONCE = asyncio.Semaphore(2)
"""Reading a photo takes a processor for as long as a payment's whole request takes."""


class Answer(StrEnum):
    OURS = "ours"
    NOT_OURS = "not-ours"
    UNREADABLE = "unreadable"


class Why(StrEnum):
    """OURS: SIGN of a spot, UNSIGNED address of its page, QRIS POSTED there, a barcode of ours that
    is PAYABLE or USED, a RECEIPT, a PROOF. NOT_OURS: OTHER_MERCHANT, SAME_NAME (ours, with
    another's account), ALTERED, ONE_TIME (our account, but a code we never issued), OLD (ours, out
    of use), OTHER_DATA (our account, with other contents), OTHER_SITE, FORGED, OTHER_CODE.
    UNREADABLE: NOTHING there to read.
    """

    SIGN = "sign"
    UNSIGNED = "unsigned"
    POSTED = "posted"
    PAYABLE = "payable"
    USED = "used"
    RECEIPT = "receipt"
    PROOF = "proof"
    OTHER_MERCHANT = "other-merchant"
    SAME_NAME = "same-name"
    ALTERED = "altered"
    ONE_TIME = "one-time"
    OLD = "old"
    OTHER_DATA = "other-data"
    OTHER_SITE = "other-site"
    FORGED = "forged"
    OTHER_CODE = "other-code"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Finding:
    """What one code is; `name` and `nmid` are of its merchant, `host` of its address."""

    answer: Answer
    why: Why
    spot_code: str | None = None
    name: str | None = None
    nmid: str | None = None
    host: str | None = None


NOTHING = Finding(Answer.UNREADABLE, Why.NOTHING)


async def read(picture: Image.Image) -> list[str]:
    """The texts of the codes on a photo, each once."""
    async with AT_ONCE:
        return await asyncio.to_thread(_read, picture)


def _read(picture: Image.Image) -> list[str]:
    grey = picture.convert("L")
    grey.thumbnail((READ_SIDE, READ_SIDE))
    small = grey.copy()
    small.thumbnail((READ_SIDE // 3, READ_SIDE // 3))
    for tried in (grey, ImageOps.autocontrast(grey, cutoff=2), small):
        found = zxingcpp.read_barcodes(
            tried, zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)
        )
        if found:
            return list(dict.fromkeys(code.text for code in found))[:MOST_CODES]
    return []


async def judge(db: AsyncSession, books: Books, texts: Sequence[str]) -> list[Finding]:
    """What each code is, the worst first; NOTHING alone where there is none."""
    found = [await _judge(db, books, text.strip()) for text in texts]
    found.sort(key=lambda finding: finding.answer is Answer.OURS)
    return found or [NOTHING]


async def _judge(db: AsyncSession, books: Books, text: str) -> Finding:
    if text.startswith("000201"):
        return await _payment(db, text)
    if proof.is_proof(text):
        return _proof(books, text)
    if text.startswith(("http://", "https://")):
        return await _address(db, books, text)
    return Finding(Answer.NOT_OURS, Why.OTHER_CODE)


def _proof(books: Books, text: str) -> Finding:
    try:
        said = proof.verify(text, books.proof_keys)
    except ProofError:
        return Finding(Answer.NOT_OURS, Why.FORGED)
    return Finding(Answer.OURS, Why.PROOF, spot_code=said.spot_code)


async def _address(db: AsyncSession, books: Books, text: str) -> Finding:
    """An address is ours by its whole beginning: `https://ours@other/` begins like one of ours."""
    try:
        host = urlsplit(text).hostname
    except ValueError:
        host = None
    if not text.startswith(f"{books.base_url}/"):
        return Finding(Answer.NOT_OURS, Why.OTHER_SITE, host=host)
    kind, _, rest = text.removeprefix(f"{books.base_url}/").partition("/")
    name = rest.partition("?")[0]
    try:
        if kind == "p":
            return await _sign(db, books, text, (await spots.find(db, name)).code)
        if kind == "r":
            return Finding(
                Answer.OURS, Why.RECEIPT, spot_code=(await receipts.find(db, name)).spot_code
            )
    except Problem:
        return Finding(Answer.NOT_OURS, Why.OLD if kind == "p" else Why.FORGED)
    if kind == "c" and _is_id(name) and await queries.charge_view(db, UUID(name)):
        return Finding(Answer.OURS, Why.PAYABLE)
    return Finding(Answer.NOT_OURS, Why.OTHER_CODE)


ON_A_SIGN = {
    SignVerdict.GENUINE: (Answer.OURS, Why.SIGN),
    SignVerdict.NEWER: (Answer.OURS, Why.SIGN),
    SignVerdict.NOT_A_SIGN: (Answer.OURS, Why.UNSIGNED),
    SignVerdict.OLD: (Answer.NOT_OURS, Why.OLD),
    SignVerdict.OTHER_SPOT: (Answer.NOT_OURS, Why.FORGED),
    SignVerdict.OTHER_KEY: (Answer.NOT_OURS, Why.FORGED),
    SignVerdict.FORGED: (Answer.NOT_OURS, Why.FORGED),
}


async def _sign(db: AsyncSession, books: Books, text: str, spot_code: str) -> Finding:
    """The address of a spot's page; with a signature on it, as the sign that it says it is."""
    _, signed, token = text.partition(f"?{PARAMETER}=")
    verdict = await links.verdict(
        db, books.base_url, books.proof_keys, spot_code, token if signed else None
    )
    return Finding(*ON_A_SIGN[verdict or SignVerdict.NOT_A_SIGN], spot_code=spot_code)


def _is_id(text: str) -> bool:
    try:
        return bool(UUID(text))
    except ValueError:
        return False


async def _payment(db: AsyncSession, text: str) -> Finding:
    try:
        payload = qris.parse(text)
    except qris.QrisError:
        return Finding(Answer.NOT_OURS, Why.ALTERED)
    charge_id = await queries.charge_of_barcode(db, text)
    view = None if charge_id is None else await queries.charge_view(db, charge_id)
    if view is not None:
        why = Why.PAYABLE if view.state == ChargeState.ISSUED else Why.USED
        return Finding(Answer.OURS, why, view.spot_code, payload.name, payload.nmid)
    spot_code, why = await _registered(db, payload)
    answer = Answer.OURS if why is Why.POSTED else Answer.NOT_OURS
    return Finding(answer, why, spot_code, payload.name, payload.nmid)


async def _registered(db: AsyncSession, payload: qris.QrisPayload) -> tuple[str | None, Why]:
    posted = await signs.posted(db)
    same = [code for code in posted if signs.is_same(code, payload)]
    for code in same:
        if not code.retired:
            return code.spot_code, Why.POSTED
    if same:
        return same[0].spot_code, Why.OLD
    newest = await queries.newest_barcode(db)
    merchant = None if newest is None else qris.parse(newest)
    if payload.nmid is not None and payload.nmid in {
        *(code.nmid for code in posted),
        merchant and merchant.nmid,
    }:
        return None, Why.ONE_TIME if payload.is_dynamic else Why.OTHER_DATA
    names = {_plain(code.name) for code in posted} | {_plain(merchant.name) if merchant else ""}
    return None, Why.SAME_NAME if _plain(payload.name) in names else Why.OTHER_MERCHANT


def _plain(name: str) -> str:
    """As the eye takes a name: letters and digits only."""
    return "".join(c for c in name.casefold() if c.isalnum())
