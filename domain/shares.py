"""What of a collected amount the attendant and a third party are owed, by a dated rule.

Revenue stays gross: a share is a debt of the regency that arises with the payment, in its own
postings.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from domain.money import MoneyError, Rounding, multiply_divide, whole

WHOLE_BP = 10_000


class ShareLeg(StrEnum):
    """Whose share a fraction of a rupiah goes to."""

    REGENCY = "regency"
    ATTENDANT = "attendant"
    THIRD_PARTY = "third_party"


@dataclass(frozen=True)
class ShareRule:
    """Shares in basis points; the regency keeps the rest. Raises MoneyError for what cannot be.

    A share is rounded down to a whole rupiah, or up where `remainder_to` names it: so none is a
    rupiah or more off, and none shrinks when the amount grows.
    """

    attendant_bp: int
    third_party_bp: int = 0
    third_party: str = ""
    remainder_to: ShareLeg = ShareLeg.REGENCY

    def __post_init__(self) -> None:
        for name in ("attendant_bp", "third_party_bp"):
            if whole(getattr(self, name), name) < 0:
                raise MoneyError(f"{name} must not be below zero")
        if self.attendant_bp + self.third_party_bp > WHOLE_BP:
            raise MoneyError("shares must not be more than the whole")
        if bool(self.third_party) != (self.third_party_bp > 0):
            raise MoneyError("a third party has a name and a share, or neither")
        ShareLeg(self.remainder_to)


@dataclass(frozen=True)
class Shares:
    """Whole rupiah owed out of one amount, each with the key of whom it is owed to."""

    attendant_rp: int = 0
    attendant: str = ""
    third_party_rp: int = 0
    third_party: str = ""

    def __post_init__(self) -> None:
        for owed_rp, party in (
            (self.attendant_rp, self.attendant),
            (self.third_party_rp, self.third_party),
        ):
            if owed_rp and not party:
                raise MoneyError("a share is owed to somebody")

    @property
    def total_rp(self) -> int:
        return self.attendant_rp + self.third_party_rp

    def __sub__(self, other: Shares) -> Shares:
        """What lies between two amounts of one payment; raises MoneyError for other parties."""
        if (self.attendant, self.third_party) != (other.attendant, other.third_party):
            raise MoneyError("shares of other parties cannot be set against each other")
        return Shares(
            self.attendant_rp - other.attendant_rp,
            self.attendant,
            self.third_party_rp - other.third_party_rp,
            self.third_party,
        )


NO_SHARES = Shares()


def share(amount_rp: int, rule: ShareRule | None, attendant: str) -> Shares:
    """The shares in an amount; none without a rule. `attendant` is who collected it, or a pool.

    Part of a payment that is returned takes back `share(returned so far) - share(before)`, so that
    the parts of a full return take back exactly what the payment gave.
    """
    if whole(amount_rp, "amount_rp") < 0:
        raise MoneyError(f"amount_rp must not be below zero, not {amount_rp}")
    if rule is None:
        return NO_SHARES
    return Shares(
        _part(amount_rp, rule.attendant_bp, up=rule.remainder_to is ShareLeg.ATTENDANT),
        attendant if rule.attendant_bp else "",
        _part(amount_rp, rule.third_party_bp, up=rule.remainder_to is ShareLeg.THIRD_PARTY),
        rule.third_party,
    )


def _part(amount_rp: int, basis_points: int, *, up: bool) -> int:
    return multiply_divide(amount_rp, basis_points, WHOLE_BP, Rounding.UP if up else Rounding.DOWN)


POOL = "zone:"


def pool(zone_code: str) -> str:
    """The key of a zone's pool, owed the attendants' share of what nobody on shift collected."""
    return f"{POOL}{zone_code}"


def zone_of(party: str) -> str | None:
    """The zone's code, where a party is a zone's pool."""
    return party.removeprefix(POOL) if party.startswith(POOL) else None
