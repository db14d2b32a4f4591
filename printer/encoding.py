"""Document -> the bytes of the profile's command language."""

from printer import escpos, starprnt, tspl
from printer.document import Document
from printer.layout import lay_out
from printer.profiles import Profile

_TO_BYTES = {
    "escpos": escpos.to_bytes,
    "starprnt": starprnt.to_bytes,
    "tspl": tspl.to_bytes,
}


def encode(document: Document, profile: Profile) -> bytes:
    """The bytes that print the document on a printer of that profile, in its command language.

    Raises `DocumentError` and `QrTooWide`; never returns bytes that would print a part silently.
    """
    return _TO_BYTES[profile.language](lay_out(document, profile), profile)
