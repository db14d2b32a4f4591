from itertools import product

import pytest

from domain.money import MoneyError
from domain.payment import (
    CHARGE_TABLE,
    EVENTS_TO_PAID,
    REFUND_TABLE,
    REFUND_UNDECIDED,
    REFUND_VOID,
    CaseEvent,
    CaseState,
    ChargeEvent,
    ChargeState,
    MoneyFlag,
    PaymentEvent,
    PaymentState,
    RefundEvent,
    RefundState,
    TransitionRefused,
    advance_case,
    advance_charge,
    advance_payment,
    advance_refund,
    judge_money,
    network_id,
)

EDGES = {
    ("new", "issue_requested"): "issuing",
    ("issuing", "issue_accepted"): "issued",
    ("issuing", "issue_rejected"): "issue_failed",
    ("issuing", "issue_unanswered"): "issue_unknown",
    ("issue_unknown", "issue_found"): "issued",
    ("issue_unknown", "issue_not_found"): "issue_failed",
    ("issued", "money_confirmed"): "paid",
    ("issued", "expired"): "expired",
    ("issued", "cancelled"): "cancelled",
    ("paid", "refund_requested"): "refund_pending",
    ("refund_pending", "refund_accepted"): "refunded",
    ("refund_pending", "refund_rejected"): "refund_refused",
    ("refund_pending", "refund_unanswered"): "refund_unknown",
    ("refund_unknown", "refund_found"): "refunded",
    ("refund_unknown", "refund_not_found"): "refund_refused",
}


@pytest.mark.parametrize(("state", "event"), [*product(ChargeState, ChargeEvent)])
def test_every_pair_of_charge_state_and_event_is_decided(state, event):
    target = EDGES.get((state.value, event.value))
    if target is None:
        with pytest.raises(TransitionRefused):
            advance_charge(state, event)
    else:
        assert advance_charge(state, event) is ChargeState(target)


@pytest.mark.parametrize(
    ("state", "targets"),
    [
        ("new", {"issuing"}),
        ("issuing", {"issued", "issue_unknown", "issue_failed"}),
        ("issue_unknown", {"issued", "issue_failed"}),
        ("issued", {"paid", "expired", "cancelled"}),
        ("paid", {"refund_pending"}),
        ("refund_pending", {"refunded", "refund_unknown", "refund_refused"}),
        ("refund_unknown", {"refunded", "refund_refused"}),
        ("issue_failed", set()),
        ("expired", set()),
        ("cancelled", set()),
        ("refunded", set()),
        ("refund_refused", set()),
    ],
)
def test_a_charge_moves_only_along_the_published_edges(state, targets):
    assert {target for (source, _), target in CHARGE_TABLE.items() if source == state} == targets


def test_an_unknown_outcome_is_left_by_asking_only():
    leaving = {e for (s, e) in CHARGE_TABLE if s in {"issue_unknown", "refund_unknown"}}
    assert leaving == {"issue_found", "issue_not_found", "refund_found", "refund_not_found"}
    elsewhere = {e for (s, e) in CHARGE_TABLE if s not in {"issue_unknown", "refund_unknown"}}
    assert not leaving & elsewhere


def test_exact_money_leads_from_each_payable_state_to_paid():
    assert set(EVENTS_TO_PAID) == {"issuing", "issued", "issue_unknown"}
    for state, events in EVENTS_TO_PAID.items():
        for event in events:
            state = advance_charge(state, event)
        assert state is ChargeState.PAID


LATE = ("late", "late", "late")
DUPLICATE = ("duplicate", "duplicate", "duplicate")
PAYABLE = ("under", "exact", "over")
FLAGS = {
    "new": LATE,
    "issuing": PAYABLE,
    "issued": PAYABLE,
    "issue_unknown": PAYABLE,
    "issue_failed": LATE,
    "expired": LATE,
    "cancelled": LATE,
    "paid": DUPLICATE,
    "refund_pending": DUPLICATE,
    "refunded": DUPLICATE,
    "refund_unknown": DUPLICATE,
    "refund_refused": DUPLICATE,
}


@pytest.mark.parametrize("state", ChargeState)
def test_money_of_any_amount_is_judged_in_every_state(state):
    flags = tuple(judge_money(state, 2_000, received_rp) for received_rp in (1_999, 2_000, 2_001))
    assert flags == FLAGS[state]
    assert all(isinstance(flag, MoneyFlag) for flag in flags)


def test_one_rupiah_is_money():
    assert judge_money(ChargeState.ISSUED, 1, 1) is MoneyFlag.EXACT
    assert judge_money(ChargeState.ISSUED, 2, 1) is MoneyFlag.UNDER


def test_every_flag_but_that_of_returned_money_is_judged_by_the_charge():
    judged = {flag for flags in FLAGS.values() for flag in flags}
    assert judged | {MoneyFlag.RETURNED} == set(MoneyFlag)


@pytest.mark.parametrize(
    ("expected_rp", "received_rp"),
    [(0, 2_000), (2_000, 0), (-1, 2_000), (2_000, -1), (2_000, 2_000.0), (True, 1)],
)
def test_only_whole_rupiah_above_zero_are_judged(expected_rp, received_rp):
    for state in ChargeState:
        with pytest.raises(MoneyError):
            judge_money(state, expected_rp, received_rp)


@pytest.mark.parametrize(("state", "event"), [*product(PaymentState, PaymentEvent)])
def test_every_pair_of_payment_state_and_event_is_decided(state, event):
    target = {("requested", "confirmed"): "paid", ("requested", "voided"): "voided"}.get(
        (state.value, event.value)
    )
    if target is None:
        with pytest.raises(TransitionRefused):
            advance_payment(state, event)
    else:
        assert advance_payment(state, event) is PaymentState(target)


REFUND_EDGES = {
    ("requested", "approved"): "sending",
    ("requested", "approved_for_transfer"): "transfer_due",
    ("requested", "rejected"): "rejected",
    ("sending", "accepted"): "done",
    ("sending", "declined"): "refused",
    ("sending", "unanswered"): "unknown",
    ("unknown", "found"): "done",
    ("unknown", "not_found"): "refused",
    ("refused", "found"): "done",
    ("transfer_due", "transferred"): "done",
    ("transfer_due", "withdrawn"): "refused",
}


@pytest.mark.parametrize(("state", "event"), [*product(RefundState, RefundEvent)])
def test_every_pair_of_refund_state_and_event_is_decided(state, event):
    target = REFUND_EDGES.get((state.value, event.value))
    if target is None:
        with pytest.raises(TransitionRefused):
            advance_refund(state, event)
    else:
        assert advance_refund(state, event) is RefundState(target)


def test_a_refund_is_undecided_void_or_done():
    assert REFUND_UNDECIDED | REFUND_VOID | {RefundState.DONE} == set(RefundState)
    assert not REFUND_UNDECIDED & REFUND_VOID
    assert {state for state, _ in REFUND_TABLE} == REFUND_UNDECIDED | {RefundState.REFUSED}


CASE_EDGES = {
    ("open", "proposed"): "proposed",
    ("proposed", "declined"): "open",
    ("proposed", "accepted"): "closed",
    ("proposed", "corrected"): "open",
    ("open", "settled"): "closed",
    ("proposed", "settled"): "closed",
    ("closed", "reopened"): "open",
}


@pytest.mark.parametrize(("state", "event"), [*product(CaseState, CaseEvent)])
def test_every_pair_of_case_state_and_event_is_decided(state, event):
    target = CASE_EDGES.get((state.value, event.value))
    if target is None:
        with pytest.raises(TransitionRefused):
            advance_case(state, event)
    else:
        assert advance_case(state, event) is CaseState(target)


@pytest.mark.parametrize(
    ("told", "known"),
    [
        ("000000000123", "000000000123"),
        ("123", "000000000123"),
        (" 000 123\t", "000000000123"),
        ("0000000000000626100000001", "626100000001"),
        ("626100000001", "626100000001"),
        ("A1", "A1"),
        ("\u0661\u0662", "\u0661\u0662"),  # digits, but not the network's
        ("000", None),
        (" ", None),
        (None, None),
    ],
)
def test_a_network_id_is_one_however_it_is_written(told, known):
    assert network_id(told) == known
