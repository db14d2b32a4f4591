"""The rules of EMVCo MPM and of the QRIS profile over tags already taken apart.

`breaches` are what must be rejected; `findings` are what a reader survives. Both look only at the
text of the values, so reader, writer and explanation share them."""

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Final

from qris import tlv
from qris.errors import Finding, QrisError

Tags = Mapping[str, str]


class Criteria(StrEnum):
    """QRIS merchant criteria: size of business, public service obligation, public agency."""

    MICRO = "UMI"
    SMALL = "UKE"
    MEDIUM = "UME"
    LARGE = "UBE"
    REGULAR = "URE"
    PUBLIC_SERVICE_OBLIGATION = "PSO"
    PUBLIC_SERVICE_AGENCY = "BLU"


COUNTRY: Final = "ID"
CURRENCY: Final = "360"
TRANSFER_TAG: Final = "40"
TRANSFER_MCC: Final = "4829"
NATIONAL_TAG: Final = "51"
NATIONAL_PREFIX: Final = "9360"
PROMPT: Final = "***"

AMOUNT: Final = re.compile(r"[0-9]+(\.[0-9]*)?")
_PERCENT = re.compile(r"[0-9]{1,2}(\.[0-9]{0,2})?")
_NMID = re.compile(r"ID[0-9]{13}")
# Control characters, line separators, and the marks that turn the direction of writing: a name
# must not be able to rewrite the screen or the receipt that shows it.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
CRITERIA: Final = frozenset(criteria.value for criteria in Criteria)
_DATA_REQUEST = re.compile(r"(?!.*(.).*\1)[AME]{1,3}")

_MANDATORY = ("52", "53", "58", "59", "60")
_FORMATS = {
    "01": (re.compile(r"1[12]"), "11 or 12"),
    "52": (re.compile(r"[0-9]{4}"), "4 digits"),
    "53": (re.compile(r"[0-9]{3}"), "3 digits"),
    "55": (re.compile(r"0[123]"), "01, 02 or 03"),
    "58": (re.compile(r"[\x20-\x7e]{2}"), "2 characters"),
}
_LONGEST = {"59": 25, "60": 15, "61": 10}
_LONGEST_AMOUNT = 13
_LONGEST_TEXT = 512
_LONGEST_ADDITIONAL = {f"{tag:02d}": 25 for tag in range(1, 9)} | {"10": 20, "11": 3}
_LONGEST_ACCOUNT = {"00": 32, "01": 19, "02": 15, "03": 3}


def is_account_template(tag: str) -> bool:
    """Whether the root tag is a merchant account template, 26 to 51 (EMVCo MPM 4.7.2)."""
    return "26" <= tag <= "51"


def breaches(root: Tags) -> Iterator[Finding]:
    """Yield what forbids using the payload, gravest first; another country's code comes last.

    `root` has passed structure and CRC. A code that is both foreign and broken is broken.
    """
    for tag in _MANDATORY:
        if not root.get(tag):
            yield Finding("missing-tag", tag)
    if not any("02" <= tag <= "51" and value for tag, value in root.items()):
        yield Finding("missing-account")
    for tag, (pattern, form) in _FORMATS.items():
        if tag in root and not pattern.fullmatch(root[tag]):
            yield Finding("bad-format", tag, form)
    yield from _too_long("", root, _LONGEST)
    if "54" in root:
        yield from _amount(root["54"], "54", "amount-format", "amount-zero")
    yield from _fees(root)
    if root.get("58") != COUNTRY:
        yield Finding("not-qris", "58")
    if root.get("53") != CURRENCY:
        yield Finding("not-qris", "53")


def _amount(text: str, path: str, malformed: str, zero: str) -> Iterator[Finding]:
    """EMVCo MPM 4.7.7: digits, at most one point, not zero: `98.73`, `98` and `98.` are legal."""
    if len(text) > _LONGEST_AMOUNT or not AMOUNT.fullmatch(text):
        yield Finding(malformed, path)
    elif not text.strip("0."):
        yield Finding(zero, path, "zero")


def _fees(root: Tags) -> Iterator[Finding]:
    """EMVCo MPM 4.7.8: 56 exactly with 55=02, 57 exactly with 55=03, neither of them zero."""
    tip = root.get("55")
    for tag, wanted in (("56", "02"), ("57", "03")):
        if (tag in root) != (tip == wanted):
            yield Finding("fee-mismatch", tag)
    if "56" in root:
        yield from _amount(root["56"], "56", "fee-format", "fee-format")
    percent = root.get("57")
    if percent is not None and not (_PERCENT.fullmatch(percent) and percent.strip("0.")):
        yield Finding("fee-format", "57")


def findings(text: str, root: Tags, templates: Mapping[str, Tags]) -> list[Finding]:
    """Return what a reader survives. `templates` holds 26-51, 62 and 64 taken apart."""
    found: list[Finding] = []
    if len(text) > _LONGEST_TEXT:
        found.append(Finding("text-over-512", detail=f"{len(text)} characters"))
    found += _order_and_emptiness("", [tag for tag in root if tag != "63"], root)
    for path, tags in templates.items():
        found += _order_and_emptiness(path, list(tags), tags)
    found += _characters(root)
    found += _profile(root)
    for path, tags in templates.items():
        if is_account_template(path):
            found += _account(path, tags)
    found += _additional(templates.get("62", {}))
    if "64" in templates:
        found += _missing("64", templates["64"], ("00", "01"))
        found += _too_long("64", templates["64"], {"00": 2, "01": 25, "02": 15})
    for tag, value in root.items():
        if tag >= "80" and not _names_its_owner(value):
            found.append(Finding("missing-subtag", f"{tag}.00"))
    return found


def _order_and_emptiness(path: str, order: list[str], tags: Tags) -> Iterator[Finding]:
    if order != sorted(order):
        yield Finding("tags-not-ascending", path)
    for tag in order:
        if not tags[tag]:
            yield Finding("empty-value", tlv.join(path, tag))


def _characters(root: Tags) -> Iterator[Finding]:
    for tag, value in root.items():
        if not value.isascii() and ("26" <= tag <= "51" or tag in ("59", "60", "61")):
            yield Finding("character-set", tag)
        if not value.isprintable() and _CONTROL.search(value):
            yield Finding("control-character", tag)
        if tag in ("58", "59", "60", "61") and "|" in value:
            yield Finding("pipe-character", tag)


def _profile(root: Tags) -> Iterator[Finding]:
    """The QRIS profile's demands on the root beyond EMVCo."""
    if not root.get("61"):
        yield Finding("missing-postal-code", "61")
    static, amount = root.get("01") == "11", root.get("54")
    if static and NATIONAL_TAG not in root:
        yield Finding("missing-national-account", NATIONAL_TAG)
    if static and amount is not None:
        yield Finding("static-with-amount", "54")
    if root.get("01") == "12" and amount is None:
        yield Finding("dynamic-without-amount", "54")
    if amount is not None and len(amount.partition(".")[2]) > 2:
        yield Finding("amount-decimals", "54")
    if TRANSFER_TAG in root or root.get("52") == TRANSFER_MCC:
        yield Finding("transfer", TRANSFER_TAG if TRANSFER_TAG in root else "52")


def _account(path: str, tags: Tags) -> list[Finding]:
    found: list[Finding] = []
    if path == NATIONAL_TAG:
        found += _missing(path, tags, ("00", "02"))
        if not _NMID.fullmatch(tags.get("02", "ID0000000000000")):
            found.append(Finding("nmid-format", f"{path}.02"))
        # An odd NMID is only a notice, whatever its length: the national repository gave it.
        limits = {"00": 32}
    else:
        # A transfer names a person's card and bank, and has no criteria (QRIS TTS).
        wanted = ("00", "01") if path == TRANSFER_TAG else ("00", "01", "02", "03")
        found += _missing(path, tags, wanted)
        found += _pan(f"{path}.01", tags.get("01", ""))
        limits = _LONGEST_ACCOUNT
    found += _too_long(path, tags, limits)
    if tags.get("03") and path != TRANSFER_TAG and tags["03"] not in CRITERIA:
        found.append(Finding("criteria-unknown", f"{path}.03"))
    for tag in ("02", "03"):
        if "|" in tags.get(tag, ""):
            found.append(Finding("pipe-character", f"{path}.{tag}"))
    return found


def _pan(path: str, pan: str) -> Iterator[Finding]:
    # No Luhn check: the 18 digits printed in a code carry no check digit.
    if pan and not tlv.is_digits(pan):
        yield Finding("pan-format", path)
    elif pan and not pan.startswith(NATIONAL_PREFIX):
        yield Finding("pan-not-national", path)


def _additional(tags: Tags) -> Iterator[Finding]:
    yield from _too_long("62", tags, _LONGEST_ADDITIONAL)
    request = tags.get("09", "")
    if request and request != PROMPT and not _DATA_REQUEST.fullmatch(request):
        yield Finding("bad-format", "62.09", "A, M and E, each once")
    for tag, value in tags.items():
        # Live codes keep bare identifiers here, so this is no more than a notice.
        if tag >= "50" and not _names_its_owner(value):
            yield Finding("opaque-template", f"62.{tag}")


def _names_its_owner(value: str) -> bool:
    """Whether the value is a template with a GUID in 00, as other payment systems owe us."""
    try:
        return bool(tlv.read(value).get("00"))
    except QrisError:
        return False


def _missing(path: str, tags: Tags, wanted: tuple[str, ...]) -> list[Finding]:
    return [Finding("missing-subtag", f"{path}.{tag}") for tag in wanted if not tags.get(tag)]


def _too_long(path: str, tags: Tags, limits: Mapping[str, int]) -> list[Finding]:
    return [
        Finding("value-too-long", tlv.join(path, tag), f"{len(tags[tag])} > {longest}")
        for tag, longest in limits.items()
        if tag in tags and len(tags[tag]) > longest
    ]
