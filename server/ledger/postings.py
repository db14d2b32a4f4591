"""Posting rules, pure: from a fact about money to the legs of an entry. Debit +, credit -.

Worked tables are in docs/money.md. Every function returns legs that sum to zero.
"""

from dataclasses import dataclass

RECEIVABLE = "1120"
"""Collected by the acquirer for us, not yet settled."""
IN_TRANSIT = "1130"
"""Settled by the acquirer, not yet seen on the bank account."""
BANK = "1110"
SUSPENSE = "2190"
"""Money that came and is not yet explained."""
MDR_EXPENSE = "5110"


def revenue(zone_code: str) -> str:
    """The revenue account of a zone."""
    return f"4110.{zone_code}"


@dataclass(frozen=True)
class Leg:
    """One posting: whole rupiah on one account, debit positive."""

    account: str
    amount_rp: int


def for_payment(amount_rp: int, zone_code: str) -> tuple[Leg, ...]:
    """A charge paid exactly: the acquirer owes us, the zone has earned."""
    return _balanced(Leg(RECEIVABLE, amount_rp), Leg(revenue(zone_code), -amount_rp))


def for_suspense(amount_rp: int) -> tuple[Leg, ...]:
    """Money that does not fit its charge (late, over, under, duplicate): held until explained."""
    return _balanced(Leg(RECEIVABLE, amount_rp), Leg(SUSPENSE, -amount_rp))


def for_settlement(gross_rp: int, mdr_rp: int) -> tuple[Leg, ...]:
    """A settled batch: the acquirer paid out the gross less its fee."""
    return _balanced(
        Leg(IN_TRANSIT, gross_rp - mdr_rp), Leg(MDR_EXPENSE, mdr_rp), Leg(RECEIVABLE, -gross_rp)
    )


def for_unbooked_settlement(gross_rp: int, mdr_rp: int) -> tuple[Leg, ...]:
    """A settled line for money we never recorded: paid out all the same, held until explained."""
    return _balanced(
        Leg(IN_TRANSIT, gross_rp - mdr_rp), Leg(MDR_EXPENSE, mdr_rp), Leg(SUSPENSE, -gross_rp)
    )


def for_explained_settlement(gross_rp: int) -> tuple[Leg, ...]:
    """The money of an unbooked line was recorded later: the line settles what the acquirer owes."""
    return _balanced(Leg(SUSPENSE, gross_rp), Leg(RECEIVABLE, -gross_rp))


def for_bank_credit(amount_rp: int) -> tuple[Leg, ...]:
    """The payout arrived on the regency's account; negative when it was taken back."""
    return _balanced(Leg(BANK, amount_rp), Leg(IN_TRANSIT, -amount_rp))


def for_unknown_movement(amount_rp: int) -> tuple[Leg, ...]:
    """A credit or (negative) debit that names no batch we know: held until explained."""
    return _balanced(Leg(BANK, amount_rp), Leg(SUSPENSE, -amount_rp))


def for_explained_movement(amount_rp: int) -> tuple[Leg, ...]:
    """The batch of an unknown movement became known: the movement was its payout."""
    return _balanced(Leg(SUSPENSE, amount_rp), Leg(IN_TRANSIT, -amount_rp))


def _balanced(*legs: Leg) -> tuple[Leg, ...]:
    kept = tuple(leg for leg in legs if leg.amount_rp != 0)
    if sum(leg.amount_rp for leg in kept) != 0:
        raise ArithmeticError(f"legs do not sum to zero: {kept}")
    return kept
