"""Posting rules for any amount: debits equal credits, and the money ends where it should."""

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.ledger import postings
from server.ledger.postings import Leg

AMOUNT = st.integers(min_value=1, max_value=10**13)
ANY = st.integers(min_value=-(10**13), max_value=10**13)
RULES = {
    "for_payment": st.tuples(AMOUNT, st.sampled_from(["PSR", "RSU"])),
    "for_suspense": st.tuples(AMOUNT),
    "for_settlement": st.tuples(ANY, ANY),
    "for_unbooked_settlement": st.tuples(ANY, ANY),
    "for_explained_settlement": st.tuples(ANY),
    "for_bank_credit": st.tuples(ANY),
    "for_unknown_movement": st.tuples(ANY),
    "for_explained_movement": st.tuples(ANY),
}


def test_every_posting_rule_is_named_here() -> None:
    rules = {name for name, _ in inspect.getmembers(postings, inspect.isfunction)}
    assert {name for name in rules if name.startswith("for_")} == set(RULES)


@given(st.data())
@pytest.mark.parametrize("name", RULES)
def test_every_rule_balances_and_posts_nothing_of_nothing(name: str, data: st.DataObject) -> None:
    legs = getattr(postings, name)(*data.draw(RULES[name]))
    assert sum(leg.amount_rp for leg in legs) == 0
    assert all(leg.amount_rp for leg in legs)
    assert len(legs) != 1


@given(AMOUNT, st.integers(min_value=0, max_value=100))
def test_a_payment_settled_and_banked_leaves_only_bank_fee_and_revenue(
    gross_rp: int, fee_percent: int
) -> None:
    mdr_rp = gross_rp * fee_percent // 100
    entries: list[tuple[Leg, ...]] = [
        postings.for_payment(gross_rp, "PSR"),
        postings.for_settlement(gross_rp, mdr_rp),
    ]
    if gross_rp > mdr_rp:
        entries.append(postings.for_bank_credit(gross_rp - mdr_rp))
    assert _left(entries) == {
        account: amount
        for account, amount in (
            (postings.BANK, gross_rp - mdr_rp),
            (postings.MDR_EXPENSE, mdr_rp),
            (postings.revenue("PSR"), -gross_rp),
        )
        if amount
    }


@given(AMOUNT, st.integers(min_value=0, max_value=100))
def test_what_is_explained_later_ends_where_what_was_known_at_once_does(
    gross_rp: int, fee_percent: int
) -> None:
    mdr_rp = gross_rp * fee_percent // 100
    net_rp = gross_rp - mdr_rp
    known = [postings.for_settlement(gross_rp, mdr_rp), postings.for_bank_credit(net_rp)]
    explained = [
        postings.for_unknown_movement(net_rp),
        postings.for_unbooked_settlement(gross_rp, mdr_rp),
        postings.for_explained_movement(net_rp),
        postings.for_explained_settlement(gross_rp),
    ]
    assert _left(known) == _left(explained)


def _left(entries: list[tuple[Leg, ...]]) -> dict[str, int]:
    left: dict[str, int] = {}
    for leg in (leg for legs in entries for leg in legs):
        left[leg.account] = left.get(leg.account, 0) + leg.amount_rp
    return {account: amount for account, amount in left.items() if amount}


def test_legs_out_of_balance_are_never_returned() -> None:
    with pytest.raises(ArithmeticError):
        postings._balanced(Leg(postings.BANK, 1))
