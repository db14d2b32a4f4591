"""The merchant discount rate (MDR): what an acquirer may keep of a QRIS payment, by dated rules."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from domain.money import MoneyError, Rounding, multiply_divide, whole

WHOLE_BP = 10_000


class MerchantCriteria(StrEnum):
    """What kind of merchant the acquirer registered us as (kriteria usaha)."""

    UMI = "UMI"
    """Micro."""
    UKE = "UKE"
    """Small."""
    UME = "UME"
    """Medium."""
    UBE = "UBE"
    """Large."""
    URE = "URE"
    """Regular: small, medium and large under one name."""
    PSO = "PSO"
    """Public service: BLU and PSO."""
    EDU = "EDU"
    """Education."""
    FUEL = "FUEL"
    """Fuel station."""
    P2G = "P2G"
    """Payments to government, such as taxes."""
    DONATION = "DONATION"
    """Social donations and places of worship."""


@dataclass(frozen=True)
class MdrRule:
    """One dated rate: nothing up to `free_up_to_rp`, above it `rate_bp` of the whole amount.

    Both days are included; without `valid_until` the rule is in force until further notice.
    """

    criteria: MerchantCriteria
    valid_from: date
    valid_until: date | None
    free_up_to_rp: int
    rate_bp: int

    def __post_init__(self) -> None:
        if self.valid_until is not None and self.valid_until < self.valid_from:
            raise MoneyError(f"{self.valid_until} is before {self.valid_from}")
        if whole(self.free_up_to_rp, "free_up_to_rp") < 0:
            raise MoneyError("free_up_to_rp must not be below zero")
        if not 0 <= whole(self.rate_bp, "rate_bp") <= WHOLE_BP:
            raise MoneyError(f"rate_bp must be 0 to {WHOLE_BP}, not {self.rate_bp}")

    def covers(self, day: date) -> bool:
        return self.valid_from <= day and (self.valid_until is None or day <= self.valid_until)


def rule_on(rules: Iterable[MdrRule], criteria: MerchantCriteria, day: date) -> MdrRule | None:
    """The rule in force for a merchant on the day of payment; None where the list has none."""
    return next((rule for rule in rules if rule.criteria is criteria and rule.covers(day)), None)


def mdr(amount_rp: int, rule: MdrRule) -> int:
    """The fee on one payment in whole rupiah, half a rupiah rounded up, as acquirers state it."""
    if whole(amount_rp, "amount_rp") < 0:
        raise MoneyError(f"amount_rp must not be below zero, not {amount_rp}")
    if amount_rp <= rule.free_up_to_rp:
        return 0
    return multiply_divide(amount_rp, rule.rate_bp, WHOLE_BP, Rounding.HALF_UP)
