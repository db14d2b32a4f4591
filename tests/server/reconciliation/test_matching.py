"""Matching by example: each way in which two sides can disagree, and each in which they do not."""

from dataclasses import replace
from datetime import date

import pytest

from server.reconciliation.matching import (
    Booked,
    Confidence,
    Due,
    How,
    Movement,
    Reason,
    Settled,
    Tolerances,
    batch_named,
    batches_named,
    match,
    named_together,
)
from server.workdays import Workdays

RRN, OTHER = "100000000001", "100000000002"


def ours(rrn: str | None = RRN, amount_rp: int = 4000, reference: str = "ACQ-1") -> Booked:
    return Booked("kami", reference, rrn, amount_rp)


def theirs(
    rrn: str | None = RRN, gross_rp: int = 4000, mdr_rp: int = 28, batch: str = "BCH-A1"
) -> Settled:
    return Settled(batch, "kami", "ACQ-1", rrn, gross_rp, mdr_rp, gross_rp - mdr_rp)


def charged(mdr_rp: int, due_rp: int | None) -> Settled:
    return replace(theirs(mdr_rp=mdr_rp), mdr_due_rp=due_rp)


def test_lines_of_one_acquirer_are_never_taken_for_anothers_money() -> None:
    """Two may give the same reference, and the one tells no RRN."""
    booked = [replace(ours(None), acquirer="a"), replace(ours(None, 2000), acquirer="b")]
    settled = [
        replace(theirs(None, gross_rp=2000, mdr_rp=0, batch="BCH-A2"), acquirer="b"),
        replace(theirs(None, mdr_rp=0), acquirer="a"),
    ]
    paid = [credit(4000), credit(2000, "BATCH BCH-A2", "bank/2")]
    assert match(booked, settled, paid).differences == ()
    crossed = match(booked[:1], [replace(settled[1], acquirer="b")], paid[:1])
    assert [d.kind.value for d in crossed.differences] == ["not-booked", "not-settled"]


def returned(amount_rp: int = 4000) -> Booked:
    return replace(ours("RFD1", -amount_rp), returned_rrn=RRN)


def credit(amount_rp: int, narrative: str = "BATCH BCH-A1", subject: str = "bank/1") -> Movement:
    return Movement(subject, amount_rp, batch_named(narrative, ["BCH-A1", "BCH-A2", "BCH-A10"]))


PAID = [credit(3972)]
CASES = {
    "agreed": ([ours()], [theirs()], PAID, {}),
    "nothing on any side": ([], [], [], {}),
    "not settled": ([ours()], [], [], {"not-settled ACQ-1/100000000001": -4000}),
    "not booked": ([], [theirs()], PAID, {"not-booked ACQ-1/100000000001": 4000}),
    "settled for more": (
        [ours()],
        [theirs(gross_rp=4028)],
        [credit(4000)],
        {"amount-differs ACQ-1/100000000001": 28},
    ),
    "RRN missing in our books": ([ours(None)], [theirs()], PAID, {}),
    "RRN missing in the file": ([ours()], [theirs(None)], PAID, {}),
    "RRN missing on both sides": ([ours(None)], [theirs(None)], PAID, {}),
    "same reference, other RRN": (
        [ours()],
        [theirs(OTHER)],
        PAID,
        {"not-settled ACQ-1/100000000001": -4000, "not-booked ACQ-1/100000000002": 4000},
    ),
    "one booked, settled under two RRNs": (
        [ours()],
        [theirs(), theirs(OTHER, 4000, 0)],
        [credit(7972)],
        {"not-booked ACQ-1/100000000002": 4000},
    ),
    "two booked without and with RRN, settled with both": (
        [ours(None), ours(OTHER)],
        [theirs(), theirs(OTHER)],
        [credit(7944)],
        {},
    ),
    "payout missing": ([ours()], [theirs()], [], {"payout-missing BCH-A1": -3972}),
    "payout short": ([ours()], [theirs()], [credit(3000)], {"payout-differs BCH-A1": -972}),
    "payout taken back": (
        [ours()],
        [theirs()],
        [credit(3972), credit(-3972, subject="bank/2")],
        {"payout-differs BCH-A1": -3972},
    ),
    "payout in two credits": ([ours()], [theirs()], [credit(3000), credit(972)], {}),
    "two batches in one credit": (
        [ours(), ours(OTHER)],
        [theirs(), theirs(OTHER, batch="BCH-A2")],
        [credit(7944, "BATCH BCH-A1 DAN BCH-A2")],
        {"payout-differs BCH-A1": 3972, "payout-missing BCH-A2": -3972},
    ),
    "batch that nets to nothing": ([ours()], [theirs(mdr_rp=4000)], [], {}),
    "wrapped narrative": ([ours()], [theirs()], [credit(3972, "BATCH BCH-\r\nA1 BANK")], {}),
    "batch whose name begins another's": (
        [ours(), ours(OTHER)],
        [theirs(), theirs(OTHER, batch="BCH-A10")],
        [credit(3972), credit(3972, "BATCH BCH-A10")],
        {},
    ),
    "batch whose name ends another's": (
        [ours()],
        [theirs()],
        [*PAID, credit(500, "BATCH XBCH-A1", "bank/2")],
        {"unknown-movement bank/2": 500},
    ),
    "unknown credit": (
        [ours()],
        [theirs()],
        [*PAID, credit(500, "SETORAN", "bank/2")],
        {"unknown-movement bank/2": 500},
    ),
    "fee as the rule says": ([ours()], [charged(28, 28)], PAID, {}),
    "fee without a rule": ([ours()], [charged(28, None)], PAID, {}),
    "fee above the rule": (
        [ours()],
        [charged(28, 27)],
        PAID,
        {"mdr-differs ACQ-1/100000000001": -1},
    ),
    "fee below the rule": (
        [ours()],
        [charged(28, 40)],
        PAID,
        {"mdr-differs ACQ-1/100000000001": 12},
    ),
    "fee on money not booked": (
        [],
        [charged(28, 0)],
        PAID,
        {"mdr-differs ACQ-1/100000000001": -28, "not-booked ACQ-1/100000000001": 4000},
    ),
    "refund under its payment's RRN": (
        [ours(), returned()],
        [theirs(mdr_rp=0), theirs(gross_rp=-4000, mdr_rp=0)],
        [],
        {},
    ),
    "refund under the RRN of neither": (
        [ours(), returned()],
        [theirs(mdr_rp=0), theirs(OTHER, -4000, 0)],
        [],
        {
            "not-settled ACQ-1/RFD1/pengembalian": 4000,
            "not-booked ACQ-1/100000000002/pengembalian": -4000,
        },
    ),
    "payment and its refund under one RRN, neither booked": (
        [],
        [theirs(mdr_rp=0), theirs(gross_rp=-4000, mdr_rp=0)],
        [],
        {
            "not-booked ACQ-1/100000000001": 4000,
            "not-booked ACQ-1/100000000001/pengembalian": -4000,
        },
    ),
    "unknown debit": ([], [], [credit(-500, "BIAYA")], {"unknown-movement bank/1": -500}),
}


@pytest.mark.parametrize(
    ("booked", "settled", "movements", "differences"), CASES.values(), ids=CASES
)
def test_each_difference_is_named_with_its_rupiah(
    booked: list[Booked],
    settled: list[Settled],
    movements: list[Movement],
    differences: dict[str, int],
) -> None:
    outcome = match(booked, settled, movements)
    found = {f"{d.kind} {d.subject}": d.difference_rp for d in outcome.differences}
    assert found == differences


def test_a_batch_cut_off_in_the_evening_is_paid_out_as_one_sum() -> None:
    assert match([ours()], [theirs()], [credit(5972)], {"BCH-A1": 2000}).differences == ()
    (short,) = match([ours()], [theirs()], [credit(3972)], {"BCH-A1": 2000}).differences
    assert (short.kind, short.difference_rp) == ("payout-differs", -2000)


TWO = [theirs(), theirs(OTHER, batch="BCH-A2")]
BOTH = Movement("bank/1", 7944, "BCH-A1", also=("BCH-A2",))
PAYOUTS = {
    "whole": ([credit(3972)], {"BCH-A1": How.WHOLE}, {"payout-missing BCH-A2": -3972}),
    "split": (
        [credit(3000), credit(972, subject="bank/2"), credit(3972, "BATCH BCH-A2", "bank/3")],
        {"BCH-A1": How.SPLIT, "BCH-A2": How.WHOLE},
        {},
    ),
    "merged": ([BOTH], {"BCH-A1": How.MERGED, "BCH-A2": How.MERGED}, {}),
    "merged and short": (
        [replace(BOTH, amount_rp=7000)],
        {"BCH-A1": How.MERGED},
        {"payout-differs BCH-A2": -944},
    ),
    "merged and too much": (
        [replace(BOTH, amount_rp=8000)],
        {"BCH-A2": How.MERGED},
        {"payout-differs BCH-A1": 56},
    ),
    "merged, one had come alone": (
        [credit(3972, subject="bank/2"), replace(BOTH, amount_rp=3972)],
        {"BCH-A1": How.WHOLE, "BCH-A2": How.MERGED},
        {},
    ),
    "reversed and paid again": (
        [credit(3972), credit(-3972, subject="bank/2"), credit(3972, subject="bank/3")],
        {"BCH-A1": How.REVERSED},
        {"payout-missing BCH-A2": -3972},
    ),
    "merged and all taken back": (
        [BOTH, replace(BOTH, subject="bank/2", amount_rp=-7944)],
        {},
        {"payout-differs BCH-A1": -3972, "payout-differs BCH-A2": -3972},
    ),
}


@pytest.mark.parametrize(("moved", "paid", "differs"), PAYOUTS.values(), ids=PAYOUTS)
def test_the_bank_pays_batches_in_many_ways(
    moved: list[Movement], paid: dict[str, How], differs: dict[str, int]
) -> None:
    outcome = match([ours(), ours(OTHER)], TWO, moved)
    assert {p.name: p.how for p in outcome.paid} == paid
    assert {f"{d.kind} {d.subject}": d.difference_rp for d in outcome.differences} == differs


def test_a_late_payout_agrees_and_is_told_as_late() -> None:
    settled = replace(theirs(), settled_on=date(2026, 11, 20))
    moved = replace(credit(3972), value_on=date(2026, 11, 25))
    assert match([ours()], [settled], [moved]).paid[0].days_late == 2
    prompt = Tolerances(late_after_days=5)
    assert match([ours()], [settled], [moved], tolerances=prompt).paid[0].days_late == 0


def test_each_match_says_by_what_it_was_found_and_how_sure_that_is() -> None:
    reasons = [
        (ours(), theirs(), Reason.SAME_RRN, Confidence.CERTAIN),
        (returned(), theirs(gross_rp=-4000), Reason.RETURNED_RRN, Confidence.CERTAIN),
        (ours(), theirs(None), Reason.NO_RRN_IN_FILE, Confidence.LIKELY),
        (ours(None), theirs(), Reason.NO_RRN_IN_BOOKS, Confidence.LIKELY),
    ]
    for booked, settled, reason, confidence in reasons:
        (found,) = match([booked], [settled], []).matched
        assert (found.reason, found.confidence) == (reason, confidence)
    assert replace(found, across_midnight=True).confidence is Confidence.POSSIBLE


def test_of_lines_that_are_alike_the_same_amount_is_matched_first() -> None:
    lines = [theirs(gross_rp=2000), theirs(gross_rp=4000)]
    outcome = match([ours(None)], lines, [])
    assert [m.settled.gross_rp for m in outcome.matched] == [4000]


def test_a_line_of_unknown_outcome_names_what_is_not_settled() -> None:
    outcome = match([ours(), ours(OTHER, reference="ACQ-2")], [], [], unsettled=[theirs()])
    assert {f"{d.kind} {d.subject}": d.difference_rp for d in outcome.differences} == {
        "outcome-unknown ACQ-1/100000000001": -4000,
        "not-settled ACQ-2/100000000002": -4000,
    }
    settled = match([ours()], [theirs()], PAID, unsettled=[theirs()])
    assert settled.differences == ()
    assert ("outcome-unknown", "ACQ-1/100000000001", "") in settled.explained


@pytest.mark.parametrize(("tolerance", "differs"), [(0, True), (1, False)])
def test_a_fee_may_be_rounded_as_far_as_the_rule_allows(tolerance: int, differs: bool) -> None:
    tolerances = Tolerances(fee_rounding_rp=tolerance)
    outcome = match([ours()], [charged(28, 27)], PAID, tolerances=tolerances)
    assert bool(outcome.differences) is differs


def test_a_narrative_may_name_several_batches() -> None:
    batches = ["BCH-A1", "BCH-A10", "BCH-A2", "BCH-A1-X"]
    assert batches_named("BCH-A2 DAN BCH-A1-X", batches) == ("BCH-A1-X", "BCH-A2")
    assert named_together({"a"}, [{"a", "b"}, {"b", "c"}, {"d", "e"}, set()]) == {"a", "b", "c"}


WORKDAYS = Workdays({date(2026, 12, 31): "uji"})
"""1 January is a holiday everywhere, and this year's last day one of the regency's own."""


@pytest.mark.parametrize(
    ("rule", "day", "until"),
    [
        (Tolerances(), date(2026, 11, 20), date(2026, 11, 23)),
        (Tolerances(late_after_days=1, working_days=True), date(2026, 11, 20), date(2026, 11, 23)),
        (Tolerances(late_after_days=1, working_days=True), date(2026, 12, 30), date(2027, 1, 4)),
        (Tolerances(late_after_days=0, working_days=True), date(2026, 11, 22), date(2026, 11, 22)),
    ],
)
def test_what_follows_a_day_is_awaited_as_the_rule_says(
    rule: Tolerances, day: date, until: date
) -> None:
    assert rule.until(day, WORKDAYS.after) == until


def test_nothing_is_missing_until_the_day_it_is_awaited_for_is_past() -> None:
    friday, monday = date(2026, 11, 20), date(2026, 11, 23)
    rule = Tolerances(late_after_days=1, working_days=True)
    paid_out = replace(theirs(OTHER), settled_on=monday)

    def until(day: date) -> date:
        return rule.until(day, WORKDAYS.after)

    def seen(today: date, silent: tuple[str, ...] = ()) -> tuple[dict[str, int], dict[str, date]]:
        due = Due(friday, today, until, silent)
        outcome = match([ours(), ours(OTHER)], [paid_out], [], due=due)
        expected = {f"{e.kind} {e.subject}": e.until for e in outcome.expected}
        return {f"{d.kind} {d.subject}": d.difference_rp for d in outcome.differences}, expected

    one, batch = "not-settled ACQ-1/100000000001", f"payout-missing {paid_out.batch_id}"
    assert seen(monday) == ({}, {one: monday, batch: date(2026, 11, 24)})
    assert seen(date(2026, 11, 24)) == ({one: -4000}, {batch: date(2026, 11, 24)})
    assert seen(date(2026, 11, 25)) == ({one: -4000, batch: -paid_out.net_rp}, {})
    missing = {f"file-missing /{friday}": -4000}
    assert seen(date(2026, 11, 24), ("",))[0] == missing


@pytest.mark.parametrize("given_back", [1500, 4000])
def test_a_missing_file_whose_sum_is_nothing_leaves_what_can_be_written_off(
    given_back: int,
) -> None:
    due = Due(date(2026, 11, 20), date(2026, 11, 30), Tolerances().until, ("",))
    told = match([ours(), returned(given_back)], [], [], due=due).differences
    assert 0 not in {d.difference_rp for d in told}
    assert sum(d.difference_rp for d in told) == given_back - 4000
    assert {d.kind.value for d in told} == {"not-settled" if given_back == 4000 else "file-missing"}
