"""Bytes -> receipts: what a printer would make of them, read with code of its own.

Knows nothing of `layout` and the encoders, so that a fault there shows here instead of being
repeated; QR codes come from another library too. Only the type face is shared.
"""

from collections.abc import Callable

from printer.hardware import Hardware
from printer.interpreter_escpos import EscPos
from printer.interpreter_starprnt import StarPrnt
from printer.interpreter_tspl import Tspl
from printer.mechanism import Mechanism
from printer.paper import Receipt
from printer.profiles import Profile

_LANGUAGES: dict[str, type[Mechanism]] = {"escpos": EscPos, "starprnt": StarPrnt, "tspl": Tspl}


def interpreter(
    profile: Profile,
    hardware: Hardware | None = None,
    on_receipt: Callable[[Receipt], None] = lambda _: None,
    *,
    unasked_asb: bool = False,
) -> Mechanism:
    """A printer that was just switched on, of the profile's language."""
    return _LANGUAGES[profile.language](profile, hardware, on_receipt, unasked_asb=unasked_asb)


def interpret(data: bytes, profile: Profile) -> list[Receipt]:
    """The receipts that these bytes print, without any network."""
    receipts: list[Receipt] = []
    printer = interpreter(profile, on_receipt=receipts.append)
    printer.feed(data)
    printer.finish()
    return receipts
