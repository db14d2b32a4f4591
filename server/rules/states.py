"""Which rules are proposed and decided; what can become of a proposal is as with tariffs."""

from enum import StrEnum


class Kind(StrEnum):
    SHARE = "share"
    """How a collected amount is shared."""
    MDR = "mdr"
    """What fee the acquirer may keep."""
    PAYOUT = "payout"
    """When shares are paid out."""
    MATCHING = "matching"
    """What may differ and still match."""
    TARGET = "target"
    """What a year or month is to bring in."""
    PASSES = "pass-price"
    """What a pass costs."""
    EXEMPTION = "exemption"
    """Which kind of vehicle parks free."""
    TARIFF_BACK = "tariff-back"
    """That an approved tariff which has not begun is taken back."""
