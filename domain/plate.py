"""Number plates: one spelling of each, and the keyed hash by which one is found again unseen."""

import hashlib
import hmac
import re

_CIVIL = re.compile("([A-Z]{1,2})(0*)([1-9][0-9]{0,3})([A-Z]{0,3})")
SHORTEST_KEY = 32


class PlateError(ValueError):
    """A text that is no Indonesian plate. Its message never repeats the text."""


def normalise(text: str) -> str:
    """``kh 01234-ab`` gives ``KH1234AB``: region, number of up to four digits, series.

    Case, spaces, hyphens, dots and leading zeros do not matter. Raises PlateError.
    """
    bare = re.sub(r"[\s.-]", "", text).upper()
    match = _CIVIL.fullmatch(bare)
    if match is None:
        raise PlateError("want letters, up to four digits, letters, as in KH 1234 AB")
    region, _, number, series = match.groups()
    return f"{region}{number}{series}"


def keyed(plate: str, key: bytes) -> str:
    """HMAC-SHA256 of a plate's one spelling, 64 hexadecimal digits; raises PlateError.

    Without the key nobody can try all plates against it: there are only some hundred million.
    """
    if len(key) < SHORTEST_KEY:
        raise ValueError(f"a key of plates has at least {SHORTEST_KEY} bytes")
    return hmac.new(key, normalise(plate).encode(), hashlib.sha256).hexdigest()
