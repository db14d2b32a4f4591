"""Consumer-presented payloads (EMVCo CPM, QRIS CPM): BER-TLV in base64, shown by the payer.

Several wallets write lengths above 127 as one raw byte, so a text that fails strict reading gets
one tolerant second attempt. What identifies a person stays out of `repr`."""

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from qris import tlv
from qris.errors import Finding, QrisError

QRIS_AID: Final = "A0000006022020"
# Base64 of tag 85, length 5, "CPV01": the first object of every payload (EMVCo CPM 4.2).
PREFIX: Final = "hQVDUFY"
MAX_BYTES: Final = 512

Objects = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CardData:
    """One application (61) or the data common to all (62); fields are None where absent.

    `aid` and `track2` are upper-case hexadecimal, `pan` digits without padding. `transparent`
    holds what goes to the issuer unread (63 or 64), `others` the rest, as (hexadecimal tag, bytes).
    """

    aid: str | None = None
    label: str | None = None
    track2: str | None = field(default=None, repr=False)
    pan: str | None = field(default=None, repr=False)
    cardholder: str | None = field(default=None, repr=False)
    languages: str | None = None
    issuer_url: str | None = field(default=None, repr=False)
    transparent: Objects = field(default=(), repr=False)
    others: Objects = field(default=(), repr=False)

    @property
    def account_number(self) -> str | None:
        """The PAN from 5A, else from the track 2 data up to its separator D."""
        if self.pan is None and self.track2 is not None:
            number = self.track2.partition("D")[0]
            return number if tlv.is_digits(number) else None
        return self.pan

    @property
    def issuer_data(self) -> bytes | None:
        """Issuer QRIS data, 9F74, which the acquirer forwards."""
        return dict((*self.others, *self.transparent)).get("9F74")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerPayload:
    """What the payer's code says. `warnings` does not count when payloads are compared."""

    applications: tuple[CardData, ...]
    common: CardData | None = None
    others: Objects = field(default=(), repr=False)
    warnings: tuple[Finding, ...] = field(default=(), compare=False)

    @property
    def qris(self) -> CardData | None:
        """The QRIS application, None if the code belongs to other schemes only."""
        return next((a for a in self.applications if a.aid == QRIS_AID), None)

    @property
    def account_number(self) -> str | None:
        """The payer's account number: of the QRIS application, else the common or first one."""
        ordered = (self.qris, self.common, *self.applications)
        return next((d.account_number for d in ordered if d and d.account_number), None)


@dataclass(frozen=True, slots=True)
class _Form:
    """How one object is kept: its field, its bounds in bytes, and both conversions."""

    name: str
    shortest: int
    longest: int
    decode: Callable[[bytes], str]
    encode: Callable[[str], bytes]


def _pad(digits: str) -> bytes:
    return bytes.fromhex(digits + "F" * (len(digits) % 2))


def _digits(raw: bytes) -> str:
    return raw.hex().upper().rstrip("F")


def _latin(text: str) -> bytes:
    return text.encode("latin-1")


def _text(raw: bytes) -> str:
    return raw.decode("latin-1")


def _hexadecimal(raw: bytes) -> str:
    return raw.hex().upper()


# EMVCo CPM table 4.5, in the order in which the writer writes; transparent data comes last.
_FORMS: Final = {
    "4F": _Form("aid", 5, 16, _hexadecimal, bytes.fromhex),
    "50": _Form("label", 1, 16, _text, _latin),
    "57": _Form("track2", 1, 19, _hexadecimal, bytes.fromhex),
    "5A": _Form("pan", 1, 10, _digits, _pad),
    "5F20": _Form("cardholder", 2, 26, _text, _latin),
    "5F2D": _Form("languages", 2, 8, _text, _latin),
    "5F50": _Form("issuer_url", 1, 255, _text, _latin),
}
_TRANSPARENT: Final = {"61": "63", "62": "64"}


def parse(text: str) -> ConsumerPayload:
    """Return what a payer's code says; one with raw lengths is accepted with a warning.

    Raises QrisError (`not-cpm`, `bad-base64`, `malformed-ber`, `duplicate-tag`, `missing-tag`,
    `missing-pan`, `bad-format`, and those of any text); TypeError if `text` is not a str.
    Another scheme's code is returned with the notice `foreign-application`.
    """
    raw = _decode(text)
    try:
        return _payload(raw, ber=True)
    except QrisError as strict:
        try:
            return _payload(raw, ber=False)
        except QrisError:
            # The standard's own reading explains more than the second attempt's.
            raise strict from None


def _decode(text: str) -> bytes:
    if not isinstance(text, str):
        raise TypeError("a payload is a str")
    tlv.to_bytes(text)
    if not text.startswith(PREFIX):
        raise QrisError("not-cpm")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise QrisError("bad-base64") from None


def walk(raw: bytes, path: str = "", *, ber: bool = True) -> Iterator[tuple[str, bytes, int]]:
    """Yield (upper-case hexadecimal tag, value, index behind it) as far as `raw` can be read.

    With `ber` false every length is one raw byte. Raises QrisError `malformed-ber` at the first
    object that cannot be read.
    """
    at = 0
    while at < len(raw):
        start = at
        # ISO/IEC 8825-1 8.1.2: five low bits set announce further tag bytes, high bit = one more.
        at += 1
        if raw[start] & 0x1F == 0x1F:
            while at < len(raw) and raw[at] & 0x80 and at - start < 3:
                at += 1
            at += 1
        tag = raw[start:at].hex().upper()
        length, at = _length(raw, at, ber=ber)
        if length is None or at + length > len(raw):
            raise QrisError("malformed-ber", path, f"no whole object at {start}")
        yield tag, raw[at : at + length], at + length
        at += length


def _length(raw: bytes, at: int, *, ber: bool) -> tuple[int | None, int]:
    """The length at `at` and where the value starts; None where there is none to read."""
    first = raw[at : at + 1]
    if not first:
        return None, at
    if not ber or first[0] < 0x80:
        return first[0], at + 1
    # EMVCo CPM needs no more than two length bytes; 0x80 (indefinite) is not allowed.
    size = first[0] & 0x7F
    if size not in (1, 2) or at + 1 + size > len(raw):
        return None, at
    return int.from_bytes(raw[at + 1 : at + 1 + size], "big"), at + 1 + size


def _payload(raw: bytes, *, ber: bool) -> ConsumerPayload:
    root = [(tag, value) for tag, value, _ in walk(raw, ber=ber)]
    if root[0] != ("85", b"CPV01"):
        raise QrisError("not-cpm", "85", "version is not CPV01")
    applications = tuple(_card("61", value, ber) for tag, value in root if tag == "61")
    if not applications:
        raise QrisError("missing-tag", "61")
    if any(application.aid is None for application in applications):
        raise QrisError("missing-tag", "61.4F")
    singles = _unique("", (pair for pair in root if pair[0] != "61"))
    payload = ConsumerPayload(
        applications=applications,
        common=_card("62", singles["62"], ber) if "62" in singles else None,
        others=tuple(pair for pair in singles.items() if pair[0] not in ("85", "62")),
    )
    if not payload.account_number:
        raise QrisError("missing-pan", "61.5A")
    found = ([] if ber else [Finding("raw-length")]) + _findings(payload)
    return replace(payload, warnings=tuple(found))


def _read(raw: bytes, path: str, ber: bool) -> dict[str, bytes]:
    return _unique(path, ((tag, value) for tag, value, _ in walk(raw, path, ber=ber)))


def _unique(path: str, objects: Iterable[tuple[str, bytes]]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for tag, value in objects:
        if tag in found:
            raise QrisError("duplicate-tag", tlv.join(path, tag))
        found[tag] = value
    return found


def _card(path: str, raw: bytes, ber: bool) -> CardData:
    objects = _read(raw, path, ber)
    inner = tlv.join(path, _TRANSPARENT[path])
    transparent = _read(objects.pop(_TRANSPARENT[path], b""), inner, ber)
    known = {
        form.name: form.decode(objects[tag]) for tag, form in _FORMS.items() if objects.get(tag)
    }
    if not known.get("pan", "0").isdigit():
        raise QrisError("bad-format", f"{path}.5A", "digits padded with F")
    return CardData(
        **known,
        transparent=tuple(transparent.items()),
        others=tuple(pair for pair in objects.items() if pair[0] not in _FORMS),
    )


def _findings(payload: ConsumerPayload) -> list[Finding]:
    found = []
    for application in payload.applications:
        found += _lengths("61", application)
        if application.aid != QRIS_AID:
            continue
        # Mandatory in QRIS CPM; without them the payer can still be told what is wrong.
        if application.label is None:
            found.append(Finding("missing-subtag", "61.50"))
        if "9F74" not in dict(application.transparent):
            found.append(Finding("missing-subtag", "61.63.9F74"))
    if payload.common:
        found += _lengths("62", payload.common)
    if payload.qris is None:
        found.append(Finding("foreign-application", "61.4F"))
    return found


def _lengths(path: str, card: CardData) -> list[Finding]:
    found = []
    for tag, form in _FORMS.items():
        value = getattr(card, form.name)
        if value is not None and not form.shortest <= len(form.encode(value)) <= form.longest:
            found.append(Finding("value-length", f"{path}.{tag}"))
    # QRIS CPM: issuer QRIS data has 8 to 64 bytes.
    if card.issuer_data is not None and not 8 <= len(card.issuer_data) <= 64:
        found.append(Finding("value-length", f"{path}.{_TRANSPARENT[path]}.9F74"))
    return found


def encode(payload: ConsumerPayload) -> str:
    """Return the base64 text of `payload`, with BER lengths; `parse` gives back an equal one.

    Raises QrisError for whatever `parse` would reject or warn of (notices pass), for text outside
    ISO 8859-1, and for more than 512 bytes, which readers need not support.
    """
    parts = [("85", b"CPV01")]
    parts += [("61", _card_bytes("61", application)) for application in payload.applications]
    if payload.common is not None:
        parts.append(("62", _card_bytes("62", payload.common)))
    raw = _write((*parts, *payload.others))
    if len(raw) > MAX_BYTES:
        raise QrisError("text-too-long", detail=f"{len(raw)} > {MAX_BYTES} bytes")
    text = base64.b64encode(raw).decode("ascii")
    read_back = parse(text)
    for finding in read_back.warnings:
        if not finding.is_notice:
            raise QrisError(finding.code, finding.path, finding.detail, read_back.warnings)
    if read_back != payload:
        raise QrisError("not-representable")
    return text


def _card_bytes(path: str, card: CardData) -> bytes:
    objects = []
    for tag, form in _FORMS.items():
        value = getattr(card, form.name)
        if value is not None:
            try:
                objects.append((tag, form.encode(value)))
            except ValueError:
                raise QrisError("bad-format", f"{path}.{tag}") from None
    objects += card.others
    if card.transparent:
        objects.append((_TRANSPARENT[path], _write(card.transparent)))
    return _write(tuple(objects))


def _write(objects: Objects) -> bytes:
    parts = []
    for tag, value in objects:
        if len(value) > MAX_BYTES:
            raise QrisError("text-too-long", tag, f"{len(value)} > {MAX_BYTES} bytes")
        try:
            head = bytes.fromhex(tag)
        except ValueError:
            raise QrisError("bad-format", detail="a tag is hexadecimal") from None
        parts += [head, _length_bytes(len(value)), value]
    return b"".join(parts)


def _length_bytes(length: int) -> bytes:
    if length < 0x80:
        return bytes((length,))
    size = 1 if length < 0x100 else 2
    return bytes((0x80 | size,)) + length.to_bytes(size, "big")
