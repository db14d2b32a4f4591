"""Every tag of a payload by name, with the verdict: what a person needs to see why a code is odd.

A broken payload is shown as far as it can be read, the unreadable rest as its last row."""

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from qris import consumer, merchant, rules, tlv
from qris.errors import ERROR_CODES, Finding, QrisError


class Verdict(StrEnum):
    """Sound; readable though a rule is broken; sound but not QRIS; to be refused."""

    VALID = "valid"
    WARNING = "warning"
    NOT_QRIS = "not-qris"
    INVALID = "invalid"


class Row(NamedTuple):
    """One tag. `path` is as in "62.07"; a template has a row and then one for each sub-tag."""

    path: str
    name: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The rows in the order read, the verdict, the code of the error if any, and all warnings."""

    rows: tuple[Row, ...]
    verdict: Verdict
    code: str | None
    warnings: tuple[Finding, ...]


_ROOT: Final = {
    "00": "Payload format indicator",
    "01": "Point of initiation",
    "52": "Merchant category code (MCC)",
    "53": "Transaction currency",
    "54": "Transaction amount",
    "55": "Tip indicator",
    "56": "Convenience fee, fixed",
    "57": "Convenience fee, percentage",
    "58": "Country code",
    "59": "Merchant name",
    "60": "Merchant city",
    "61": "Postal code",
    "62": "Additional data",
    "63": "CRC",
    "64": "Merchant information in another language",
}
# EMVCo MPM table 4.1: who owns the card-scheme accounts 02-25, by the last tag of each range.
_SCHEMES: Final = (
    ("03", "Visa"),
    ("05", "Mastercard"),
    ("08", "EMVCo"),
    ("10", "Discover"),
    ("12", "Amex"),
    ("14", "JCB"),
    ("16", "UnionPay"),
    ("25", "EMVCo"),
)
_ACCOUNT: Final = {
    "00": "Globally unique identifier",
    "01": "Merchant PAN",
    "02": "Merchant id",
    "03": "Merchant criteria",
}
_NATIONAL: Final = _ACCOUNT | {"02": "National merchant id (NMID)"}
_TRANSFER: Final = {
    "00": "Globally unique identifier",
    "01": "Customer PAN",
    "02": "Beneficiary",
    "04": "Bank identifier (BIC)",
}
_ADDITIONAL: Final = {
    "01": "Bill number",
    "02": "Mobile number",
    "03": "Store label",
    "04": "Loyalty number",
    "05": "Reference label",
    "06": "Customer label",
    "07": "Terminal label",
    "08": "Purpose of transaction",
    "09": "Additional consumer data request",
    "10": "Merchant tax id",
    "11": "Merchant channel",
}
_LANGUAGE: Final = {"00": "Language", "01": "Merchant name", "02": "Merchant city"}
_FOREIGN: Final = {"00": "Globally unique identifier"}
_MEANINGS: Final = {
    ("01", "11"): "static: for many payments",
    ("01", "12"): "dynamic: for one payment",
    ("53", "360"): "Indonesian rupiah",
    ("55", "01"): "the payer is asked for a tip",
    ("55", "02"): "a fixed fee is added (56)",
    ("55", "03"): "a percentage is added (57)",
    ("58", "ID"): "Indonesia",
    ("52", "4111"): "local transport",
    ("52", "4829"): "money transfer",
    ("52", "7523"): "parking lots and garages",
    ("52", "9222"): "fines",
    ("52", "9311"): "tax payments",
    ("52", "9399"): "government services",
}
_CRITERIA: Final = {
    criteria.value: criteria.name.lower().replace("_", " ") for criteria in rules.Criteria
}
# EMVCo CPM tables 4.2 to 4.6, and the objects of QRIS CPM.
_CONSUMER: Final = {
    "85": "Payload format indicator",
    "61": "Application template",
    "62": "Common data template",
    "63": "Application-specific transparent data",
    "64": "Common transparent data",
    "4F": "Application identifier (AID)",
    "50": "Application label",
    "57": "Track 2 equivalent data",
    "5A": "Account number (PAN)",
    "5F20": "Cardholder name",
    "5F2D": "Language preference",
    "5F50": "Issuer URL",
    "82": "Application interchange profile",
    "9F08": "Application version",
    "9F10": "Issuer application data",
    "9F19": "Token requestor id",
    "9F24": "Payment account reference",
    "9F25": "Last 4 digits of PAN",
    "9F26": "Application cryptogram",
    "9F27": "Cryptogram information data",
    "9F36": "Application transaction counter",
    "9F37": "Unpredictable number",
    "9F74": "Issuer QRIS data",
    "9F7A": "Issuer public key certificate",
    "9F7B": "Encrypted data",
}
_CONSUMER_TEXTS: Final = frozenset({"85", "50", "5F20", "5F2D", "5F50", "9F74"})
_CONSUMER_TEMPLATES: Final = frozenset({"61", "61.63", "62", "62.64"})


def explain(text: str) -> Explanation:
    """Return every tag of a merchant's or payer's code with its name, value and what it means.

    Never raises for a str: what `parse` would raise is the verdict and the `code`. Characters that
    could disturb a screen are escaped in the values.
    """
    if not isinstance(text, str):
        raise TypeError("a payload is a str")
    by_payer = text.startswith(consumer.PREFIX)
    code = None
    try:
        warnings = (consumer.parse(text) if by_payer else merchant.parse(text)).warnings
        remarks = warnings
    except QrisError as error:
        code, warnings = error.code, error.warnings
        remarks = (Finding(error.code, error.path), *warnings)
    if by_payer:
        ber = all(remark.code != "raw-length" for remark in remarks)
        rows = _annotate(_consumer_rows(text, ber), remarks, _consumer_name)
    else:
        rows = _annotate(_merchant_rows(text), remarks, _merchant_name)
    return Explanation(rows, _verdict(code, warnings), code, warnings)


def _verdict(code: str | None, warnings: tuple[Finding, ...]) -> Verdict:
    if code == "not-qris":
        return Verdict.NOT_QRIS
    if code is not None:
        return Verdict.INVALID
    breached = any(not warning.is_notice for warning in warnings)
    return Verdict.WARNING if breached else Verdict.VALID


def _annotate(
    rows: Iterable[Row], remarks: Iterable[Finding], name_of: Callable[[str], str]
) -> tuple[Row, ...]:
    """Add each remark to the note of its tag's row; a tag that has no row gets an empty one."""
    notes: dict[str, list[str]] = {}
    for remark in remarks:
        if remark.path:
            notes.setdefault(remark.path, []).append(ERROR_CODES[remark.code]["en"])
    annotated = []
    for row in rows:
        sentences = notes.pop(row.path, [])
        note = "; ".join([row.note, *sentences] if row.note else sentences)
        annotated.append(Row(row.path, row.name, _visible(row.value), note))
    for path, sentences in notes.items():
        annotated.append(Row(path, name_of(path), "", "; ".join(sentences)))
    return tuple(annotated)


def _visible(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _merchant_rows(text: str, parent: str = "") -> Iterator[Row]:
    text = text[: tlv.MAX_TEXT]
    at = 0
    try:
        for tag, value, end in tlv.walk(text):
            path, at = tlv.join(parent, tag), end
            name = _merchant_name(path)
            note = _inner_note(name, value) if parent else _root_note(tag, value, text[:end])
            yield Row(path, name, value, note)
            if not parent and _names_inside(tag) is not None:
                yield from _merchant_rows(value, tag)
    except QrisError:
        yield Row(parent, "Unreadable", text[at:])


def _merchant_name(path: str) -> str:
    parent, _, tag = path.rpartition(".")
    if not parent:
        return _root_name(tag)
    if parent == "62" and tag >= "50":
        return "Template of a payment system"
    return (_names_inside(parent) or {}).get(tag, "Reserved or proprietary")


def _root_name(tag: str) -> str:
    if tag in _ROOT:
        return _ROOT[tag]
    if tag < "26":
        return f"Card account ({next(name for last, name in _SCHEMES if tag <= last)})"
    if tag == rules.TRANSFER_TAG:
        return "Transfer account"
    if tag == rules.NATIONAL_TAG:
        return "National merchant account"
    if tag < rules.NATIONAL_TAG:
        return "Merchant account"
    return "Reserved" if tag < "80" else "Template of another payment system"


def _names_inside(tag: str) -> dict[str, str] | None:
    if tag == "62":
        return _ADDITIONAL
    if tag == "64":
        return _LANGUAGE
    if tag == rules.TRANSFER_TAG:
        return _TRANSFER
    if tag == rules.NATIONAL_TAG:
        return _NATIONAL
    if rules.is_account_template(tag):
        return _ACCOUNT
    return _FOREIGN if tag >= "80" else None


def _root_note(tag: str, value: str, text: str) -> str:
    """What the value means; `text` is the payload up to and including it."""
    if tag in ("54", "56"):
        amount_rp = merchant.rupiah(value)
        # Without "Rp": another country's code is explained too.
        return "" if amount_rp is None else f"{amount_rp:,}".replace(",", ".")
    if tag == "63":
        try:
            expected = tlv.crc(text[: len(text) - len(value)])
        except QrisError as error:
            return ERROR_CODES[error.code]["en"]
        return "correct" if value == expected else f"computed {expected}"
    return _MEANINGS.get((tag, value), "")


def _inner_note(name: str, value: str) -> str:
    if value == rules.PROMPT:
        return "the payer's app asks for it"
    if name == _ACCOUNT["03"]:
        return _CRITERIA.get(value, "")
    if name == _ACCOUNT["01"] and value.startswith(rules.NATIONAL_PREFIX):
        return f"acquirer {value[:8]} (NNS)"
    return ""


def _consumer_rows(text: str, ber: bool) -> Iterator[Row]:
    text = text[: tlv.MAX_TEXT]
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        yield Row("", "Unreadable", text)
    else:
        yield from _objects(raw, ber, "")


def _objects(raw: bytes, ber: bool, parent: str) -> Iterator[Row]:
    at = 0
    try:
        for tag, value, end in consumer.walk(raw, ber=ber):
            path, at = tlv.join(parent, tag), end
            shown = value.decode("latin-1") if tag in _CONSUMER_TEXTS else value.hex().upper()
            note = "QRIS" if (tag, shown) == ("4F", consumer.QRIS_AID) else ""
            yield Row(path, _consumer_name(path), shown, note)
            if path in _CONSUMER_TEMPLATES:
                yield from _objects(value, ber, path)
    except QrisError:
        yield Row(parent, "Unreadable", raw[at:].hex().upper())


def _consumer_name(path: str) -> str:
    return _CONSUMER.get(path.rpartition(".")[2], "Reserved or proprietary")
