"""Posting rules for any amount: debits equal credits, and the money ends where it should."""

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.shares import NO_SHARES, WHOLE_BP, ShareLeg, ShareRule, Shares, share
from server.ledger import postings
from server.ledger.postings import Leg

AMOUNT = st.integers(min_value=1, max_value=10**13)
ANY = st.integers(min_value=-(10**13), max_value=10**13)
ZONE = st.sampled_from(["PSR", "RSU"])
SHARES = st.builds(Shares, AMOUNT, st.just("J-001"), AMOUNT, st.just("Karang Taruna"))
SHARED = st.tuples(AMOUNT, ZONE, SHARES | st.just(NO_SHARES))
ATTENDANT = st.just("J-001")
SELLER = st.just("Koperasi Pasar")
AWAITING = st.sampled_from(
    [
        postings.IN_TRANSIT,
        postings.DEPOSITS_IN_TRANSIT,
        postings.TRANSFERS_IN_TRANSIT,
        postings.REMITTED_IN_TRANSIT,
        postings.PAYOUTS_IN_TRANSIT,
    ]
)
FOUND = AWAITING | st.sampled_from([postings.OTHER_INCOME, postings.TO_GIVE_BACK])
RULES = {
    "for_payment": SHARED,
    "for_suspense": st.tuples(AMOUNT),
    "for_cash_suspense": st.tuples(AMOUNT, ATTENDANT),
    "for_recognised": SHARED,
    "for_recognised_cost": st.tuples(AMOUNT),
    "for_cash": st.tuples(AMOUNT, ZONE, ATTENDANT, SHARES),
    "for_cash_deposit": st.tuples(AMOUNT, ATTENDANT),
    "for_vouchers_sold": st.tuples(AMOUNT, SELLER),
    "for_voucher_payment": st.tuples(AMOUNT, SELLER),
    "for_voucher": st.tuples(AMOUNT, AMOUNT, ZONE, SHARES | st.just(NO_SHARES)),
    "for_vouchers_voided": st.tuples(AMOUNT, SELLER),
    "for_pass_sold": st.tuples(AMOUNT),
    "for_pass_paid": st.tuples(AMOUNT),
    "for_pass_recognised": st.tuples(AMOUNT),
    "for_pass_refund_due": st.tuples(AMOUNT),
    "for_refund_due": SHARED,
    "for_suspense_refund_due": st.tuples(AMOUNT),
    "for_refund_by_acquirer": st.tuples(AMOUNT),
    "for_refund_by_transfer": st.tuples(AMOUNT),
    "for_remittance": st.tuples(AMOUNT),
    "for_share_paid": st.tuples(
        AMOUNT, st.sampled_from([postings.ATTENDANT_PAYABLE, postings.THIRD_PARTY_PAYABLE]), SELLER
    ),
    "for_settlement": st.tuples(ANY, ANY),
    "for_unbooked_settlement": st.tuples(ANY, ANY),
    "for_explained_settlement": st.tuples(ANY),
    "for_written_off": st.tuples(
        ANY,
        st.sampled_from((postings.RECEIVABLE, postings.IN_TRANSIT, postings.DEPOSITS_IN_TRANSIT)),
    ),
    "for_fee_claimed": st.tuples(AMOUNT),
    "for_claim_paid": st.tuples(AMOUNT, st.sampled_from((postings.SUSPENSE, postings.MDR_EXPENSE))),
    "for_claim_refused": st.tuples(AMOUNT),
    "for_bank_credit": st.tuples(ANY, AWAITING),
    "for_unknown_movement": st.tuples(ANY),
    "for_explained_movement": st.tuples(ANY, FOUND),
}
PARTIES = {
    postings.CASH_HELD,
    postings.VOUCHER_SELLERS,
    postings.ATTENDANT_PAYABLE,
    postings.THIRD_PARTY_PAYABLE,
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
    assert all((leg.account in PARTIES) == bool(leg.party) for leg in legs)


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


@st.composite
def share_rules(draw: st.DrawFn) -> ShareRule:
    attendant_bp = draw(st.integers(0, WHOLE_BP))
    third_party_bp = draw(st.integers(0, WHOLE_BP - attendant_bp))
    name = "Karang Taruna" if third_party_bp else ""
    return ShareRule(attendant_bp, third_party_bp, name, draw(st.sampled_from(ShareLeg)))


@given(AMOUNT, share_rules())
def test_shares_are_within_a_rupiah_of_exact_and_never_above_the_amount(
    amount_rp: int, rule: ShareRule
) -> None:
    shares = share(amount_rp, rule, "J-001")
    assert shares.total_rp <= amount_rp
    for leg, part_rp, basis_points in (
        (ShareLeg.ATTENDANT, shares.attendant_rp, rule.attendant_bp),
        (ShareLeg.THIRD_PARTY, shares.third_party_rp, rule.third_party_bp),
    ):
        above = part_rp * WHOLE_BP - amount_rp * basis_points
        assert (0 if leg is rule.remainder_to else -WHOLE_BP) <= above
        assert above <= (WHOLE_BP - 1 if leg is rule.remainder_to else 0)


@given(AMOUNT, AMOUNT, share_rules())
def test_a_larger_amount_never_has_a_smaller_share(
    one_rp: int, other_rp: int, rule: ShareRule
) -> None:
    smaller, larger = (share(rp, rule, "J-001") for rp in sorted((one_rp, other_rp)))
    assert smaller.attendant_rp <= larger.attendant_rp
    assert smaller.third_party_rp <= larger.third_party_rp


@given(st.lists(AMOUNT, min_size=1, max_size=6), share_rules())
def test_a_payment_refunded_part_by_part_leaves_nothing(parts: list[int], rule: ShareRule) -> None:
    total_rp = sum(parts)
    entries = [postings.for_payment(total_rp, "PSR", share(total_rp, rule, "J-001"))]
    returned_rp = 0
    for part_rp in parts:
        before, returned_rp = returned_rp, returned_rp + part_rp
        shares = share(returned_rp, rule, "J-001") - share(before, rule, "J-001")
        entries.append(postings.for_refund_due(part_rp, "PSR", shares))
        entries.append(postings.for_refund_by_acquirer(part_rp))
    assert _left(entries) == {}


@given(SHARED)
def test_a_refund_that_is_refused_leaves_the_payment(drawn: tuple[int, str, Shares]) -> None:
    amount_rp, zone, shares = drawn
    paid = [postings.for_payment(amount_rp, zone, shares)]
    due = postings.for_refund_due(amount_rp, zone, shares)
    assert _left([*paid, due, postings.reverse(due)]) == _left(paid)


@given(SHARED)
def test_money_recognised_from_suspense_ends_where_an_exact_payment_does(
    drawn: tuple[int, str, Shares],
) -> None:
    amount_rp, zone, shares = drawn
    late = [postings.for_suspense(amount_rp), postings.for_recognised(amount_rp, zone, shares)]
    assert _left(late) == _left([postings.for_payment(amount_rp, zone, shares)])


def _left(entries: list[tuple[Leg, ...]]) -> dict[str, int]:
    """What the entries leave on each account, and on each party's own."""
    left: dict[str, int] = {}
    for leg in (leg for legs in entries for leg in legs):
        name = f"{leg.account} {leg.party or ''}".rstrip()
        left[name] = left.get(name, 0) + leg.amount_rp
    return {name: amount for name, amount in left.items() if amount}


def test_legs_out_of_balance_are_never_returned() -> None:
    with pytest.raises(ArithmeticError):
        postings._balanced(Leg(postings.BANK, 1))


@given(st.lists(st.tuples(AMOUNT, AMOUNT, ZONE, SHARES | st.just(NO_SHARES)), min_size=1))
def test_vouchers_sold_and_redeemed_leave_what_the_seller_owes_and_what_was_earned(
    stays: list[tuple[int, int, str, Shares]],
) -> None:
    worth = [(max(pair), min(pair), zone, shares) for *pair, zone, shares in stays]
    total_rp = sum(value_rp for value_rp, *_ in worth)
    legs = [*postings.for_vouchers_sold(total_rp, "Koperasi Pasar")]
    for stay in worth:
        legs += postings.for_voucher(*stay)
    held: dict[str, int] = {}
    for leg in legs:
        held[leg.account] = held.get(leg.account, 0) + leg.amount_rp
    assert held[postings.VOUCHERS] == 0
    assert held[postings.VOUCHER_SELLERS] == total_rp
    earned = sum(rp for code, rp in held.items() if code.startswith("4"))
    assert earned == -total_rp, "the rest of each is income too, apart from the retribution"
