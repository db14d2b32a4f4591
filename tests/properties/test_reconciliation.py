"""Matching for any three piles of lines: nothing is used twice, nothing is lost on the way."""

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from domain.payment import CaseState, advance_case
from server.reconciliation.discrepancies import event_of
from server.reconciliation.matching import (
    Booked,
    DifferenceKind,
    Due,
    Movement,
    Outcome,
    Settled,
    Tolerances,
    batch_named,
    match,
)

REFERENCES = st.sampled_from(["ACQ-1", "ACQ-2", "ACQ-3"])
RRNS = st.sampled_from([None, "100000000001", "100000000002", "100000000003"])
AMOUNTS = st.sampled_from([2000, 4000, 10_000])
BATCHES = ["BCH-1", "BCH-10", "BCH-2"]

booked_lines = st.lists(
    st.builds(Booked, st.just("kami"), REFERENCES, RRNS, AMOUNTS),
    max_size=8,
    unique_by=lambda line: (line.acquirer_reference, line.rrn),
)


@st.composite
def settled_line(draw: st.DrawFn) -> Settled:
    gross, mdr = draw(AMOUNTS), draw(st.sampled_from([0, 6, 30]))
    names = (draw(st.sampled_from(BATCHES)), "kami", draw(REFERENCES), draw(RRNS))
    return Settled(*names, gross, mdr, gross - mdr)


settled_lines = st.lists(
    settled_line(), max_size=8, unique_by=lambda line: (line.acquirer_reference, line.rrn)
)
movement_lines = st.lists(
    st.builds(
        Movement,
        st.uuids().map(str),
        st.integers(min_value=-20_000, max_value=20_000),
        st.sampled_from([*BATCHES, None]),
    ),
    max_size=6,
)
nets_elsewhere = st.dictionaries(st.sampled_from(BATCHES), st.integers(-5000, 5000))


def lines_of(outcome: Outcome, *kinds: DifferenceKind) -> Counter[str]:
    return Counter(d.subject for d in outcome.differences if d.kind in kinds)


@given(booked_lines, settled_lines, movement_lines, nets_elsewhere, st.randoms())
def test_the_order_of_lines_does_not_matter(booked, settled, movements, elsewhere, random) -> None:  # type: ignore[no-untyped-def]
    expected = match(booked, settled, movements, elsewhere)
    for lines in (booked, settled, movements):
        random.shuffle(lines)
    shuffled = match(booked, settled, movements, dict(reversed(elsewhere.items())))
    assert shuffled.differences == expected.differences
    assert Counter(shuffled.matched) == Counter(expected.matched)


@given(booked_lines, settled_lines, movement_lines)
def test_every_line_is_used_once(
    booked: list[Booked], settled: list[Settled], movements: list[Movement]
) -> None:
    outcome = match(booked, settled, movements)
    differs = lines_of(outcome, DifferenceKind.AMOUNT_DIFFERS).total()
    unsettled = lines_of(outcome, DifferenceKind.NOT_SETTLED).total()
    unbooked = lines_of(outcome, DifferenceKind.NOT_BOOKED).total()
    assert len(outcome.matched) + differs + unsettled == len(booked)
    assert len(outcome.matched) + differs + unbooked == len(settled)
    assert max(Counter(m.booked for m in outcome.matched).values(), default=1) == 1
    assert max(Counter(m.settled for m in outcome.matched).values(), default=1) == 1
    assert {m.booked for m in outcome.matched} <= set(booked)
    assert {m.settled for m in outcome.matched} <= set(settled)


@given(booked_lines, settled_lines, movement_lines, nets_elsewhere)
def test_the_differences_sum_to_the_difference_of_the_totals(
    booked: list[Booked],
    settled: list[Settled],
    movements: list[Movement],
    elsewhere: dict[str, int],
) -> None:
    outcome = match(booked, settled, movements, elsewhere)
    payments = sum(s.gross_rp for s in settled) - sum(b.amount_rp for b in booked)
    nets = sum(s.net_rp for s in settled) + sum(elsewhere.values())
    payouts = sum(m.amount_rp for m in movements) - nets
    assert sum(d.difference_rp for d in outcome.differences) == payments + payouts
    assert all(d.theirs_rp - d.ours_rp == d.difference_rp for d in outcome.differences)


DAY = date(2026, 12, 30)
DAYS = st.integers(0, 9).map(lambda days: DAY + timedelta(days=days))


@given(
    booked_lines,
    st.lists(st.tuples(settled_line(), DAYS), max_size=8),
    movement_lines,
    nets_elsewhere,
    DAYS,
    st.integers(0, 4),
    st.booleans(),
)
def test_every_rupiah_is_matched_expected_or_a_difference_and_expected_only_while_not_due(
    booked: list[Booked],
    lines: list[tuple[Settled, date]],
    movements: list[Movement],
    elsewhere: dict[str, int],
    today: date,
    late_after: int,
    silent: bool,
) -> None:
    settled = [replace(line, settled_on=on) for line, on in lines]
    until = Tolerances(late_after_days=late_after).until
    since = dict.fromkeys(elsewhere, DAY)
    due = Due(DAY, today, until, {""} if silent else (), since)
    told = match(booked, settled, movements, elsewhere, due=due)
    whole = match(booked, settled, movements, elsewhere)
    assert told.matched == whole.matched
    assert sum(d.difference_rp for d in whole.differences) == sum(
        d.difference_rp for d in told.differences
    ) - sum(e.amount_rp for e in told.expected)
    assert all(e.until >= today for e in told.expected)
    awaited = {DifferenceKind.NOT_SETTLED, DifferenceKind.FILE_MISSING}
    if until(DAY) >= today:
        assert not [d for d in told.differences if d.kind in awaited]
    else:
        assert not [e for e in told.expected if e.kind in awaited]
    kept = [d for d in told.differences if d.kind not in awaited]
    assert Counter(kept) <= Counter(whole.differences)
    missing = {d.subject for d in kept if d.kind is DifferenceKind.PAYOUT_MISSING}
    days = since | {s.batch_id: DAY for s in settled}
    for s in settled:
        days[s.batch_id] = max(days[s.batch_id], s.settled_on or DAY)
    assert all(until(days[name]) < today for name in missing)


@given(settled_lines)
def test_sides_that_agree_have_no_difference(settled: list[Settled]) -> None:
    booked = [Booked(s.reference, s.acquirer_reference, s.rrn, s.gross_rp) for s in settled]
    nets: Counter[str] = Counter()
    for line in settled:
        nets[line.batch_id] += line.net_rp
    movements = [Movement(b, net, b) for b, net in nets.items()]
    outcome = match(booked, settled, movements)
    assert outcome.differences == ()
    assert len(outcome.matched) == len(settled)


@given(settled_lines.filter(bool), st.sampled_from([-1, 1]))
def test_one_rupiah_is_seen(settled: list[Settled], off: int) -> None:
    booked = [Booked(s.reference, s.acquirer_reference, s.rrn, s.gross_rp) for s in settled]
    booked[0] = replace(booked[0], amount_rp=booked[0].amount_rp + off)
    found = [d for d in match(booked, settled, []).differences if "payout" not in d.kind]
    assert [d.difference_rp for d in found] == [-off]


@given(st.sampled_from(BATCHES), st.lists(st.integers(0, 8), max_size=4))
def test_a_batch_is_known_wherever_the_bank_breaks_the_line(batch: str, breaks: list[int]) -> None:
    wrapped = batch
    for at in sorted(breaks, reverse=True):
        wrapped = f"{wrapped[:at]}\n {wrapped[at:]}"
    assert batch_named(f"PENCAIRAN {wrapped} BANK", BATCHES) == batch


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=8), st.sampled_from(CaseState))
def test_comparisons_follow_the_table_and_never_close_over_what_is_posted(
    comparisons: list[tuple[bool, bool]], state: CaseState
) -> None:
    """Whatever they find, in any order: gone or of another amount, something posted or not."""
    for gone, posted in comparisons:
        event = event_of(state, gone=gone, posted=posted)
        after = state if event is None else advance_case(state, event)
        assert after is (CaseState.CLOSED if gone and not posted else CaseState.OPEN)
        state = after
