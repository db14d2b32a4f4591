"""Tag, length and value as text: two digits, two digits, that many characters (EMVCo MPM 3.2).

Lengths count characters, the CRC counts UTF-8 bytes; both have hard bounds before any work."""

import binascii
from collections.abc import Iterable, Iterator
from typing import Final

from qris.errors import QrisError

Elements = tuple[tuple[str, str], ...]

# A QR symbol of version 40-L carries 2953 bytes: no longer text ever came from one symbol.
MAX_TEXT: Final = 2953
MAX_VALUE: Final = 99


def to_bytes(text: str) -> bytes:
    """Return `text` as UTF-8; raise QrisError `text-too-long` or `text-not-unicode`."""
    if len(text) > MAX_TEXT:
        raise QrisError("text-too-long", detail=f"{len(text)} > {MAX_TEXT}")
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise QrisError("text-not-unicode", detail=f"at {error.start}") from None


def is_digits(text: str) -> bool:
    """Whether `text` is one or more of 0-9; str.isdigit alone admits other scripts' digits."""
    return text.isascii() and text.isdigit()


def walk(text: str, path: str = "") -> Iterator[tuple[str, str, int]]:
    """Yield (tag, value, end) as far as `text` can be read, then raise QrisError `malformed-tlv`.

    `end` is the index behind the value; `path` names the template for the error. A length of 00
    yields an empty value.
    """
    at = 0
    while at < len(text):
        head = text[at : at + 4]
        if len(head) < 4 or not (head.isascii() and head.isdigit()):
            raise QrisError("malformed-tlv", path, f"no tag and length at {at}")
        end = at + 4 + int(head[2:])
        if end > len(text):
            raise QrisError("malformed-tlv", path, f"tag {head[:2]} overruns at {at}")
        yield head[:2], text[at + 4 : end], end
        at = end


def read(text: str, path: str = "") -> dict[str, str]:
    """Return tag -> value in the order read; raise QrisError `malformed-tlv`, `duplicate-tag`."""
    found: dict[str, str] = {}
    for tag, value, _ in walk(text, path):
        if tag in found:
            raise QrisError("duplicate-tag", join(path, tag))
        found[tag] = value
    return found


def write(elements: Iterable[tuple[str, str | None]], path: str = "") -> str:
    """Return the elements as text in ascending order of tag, leaving out those that are None.

    Raises QrisError `bad-format` for a tag that is not two digits, `empty-value`, and
    `value-too-long` above 99 characters.
    """
    parts = []
    for tag, value in sorted((tag, value) for tag, value in elements if value is not None):
        if len(tag) != 2 or not is_digits(tag):
            raise QrisError("bad-format", path, "a tag is two digits")
        if not value:
            raise QrisError("empty-value", join(path, tag))
        if len(value) > MAX_VALUE:
            raise QrisError("value-too-long", join(path, tag), f"{len(value)} > {MAX_VALUE}")
        parts.append(f"{tag}{len(value):02d}{value}")
    return "".join(parts)


def crc(text: str) -> str:
    """Return the CRC of `text` (which ends in "6304") as four upper-case hexadecimal digits.

    ISO/IEC 13239: polynomial 0x1021, start 0xFFFF, nothing reflected, over UTF-8 bytes
    (EMVCo MPM 4.7.3).
    """
    return f"{binascii.crc_hqx(to_bytes(text), 0xFFFF):04X}"


def join(path: str, tag: str) -> str:
    """Return the path of `tag` inside the template at `path`."""
    return f"{path}.{tag}" if path else tag
