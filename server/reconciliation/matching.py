"""Matching what we booked with what the acquirer settled and the bank received. Pure.

Each line is used once, and the order in which lines come does not matter.
"""

import re
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple


@dataclass(frozen=True)
class Booked:
    """Money in our ledger, as the acquirer told us of it."""

    reference: str
    acquirer_reference: str
    rrn: str | None
    amount_rp: int
    returned_rrn: str | None = None
    """Of a refund: the RRN of the payment it returns, under which some acquirers settle it."""
    acquirer: str = ""
    """Whose reference it is; two acquirers may give the same."""
    day: date | None = None
    """Its business day, by which alone an RRN is told from the same of another day."""


@dataclass(frozen=True)
class Settled:
    """One line of a settlement file.

    It goes by the acquirer's reference; where the file has none by ours; else by its RRN.
    """

    batch_id: str
    reference: str
    acquirer_reference: str | None
    rrn: str | None
    gross_rp: int
    mdr_rp: int
    net_rp: int
    mdr_due_rp: int | None = None
    """The fee that the rule in force asks for, where there is one."""
    recognised: bool = False
    """Two officers decided what it is: nothing is left to explain, though we booked no money."""
    settled_on: date | None = None
    acquirer: str = ""
    day: date | None = None
    """The business day on which it was paid."""
    paid_at: datetime | None = None
    """Of a line without the acquirer's reference: what else tells it from others."""


class Known(StrEnum):
    """By what a movement was known to pay a batch or slip."""

    NAMED = "named"
    BY_OFFICERS = "by-officers"


@dataclass(frozen=True)
class Movement:
    """One line of a bank statement; a credit is positive."""

    subject: str
    amount_rp: int
    pays: str | None
    """The batch or slip whose money it is in the books; None for one in suspense."""
    recognised: bool = False
    """Two officers decided what it is."""
    also: tuple[str, ...] = ()
    """Further batches that it names: it pays them as one sum."""
    value_on: date | None = None
    known: Known = Known.NAMED
    """By what the books know what it pays."""


class DifferenceKind(StrEnum):
    NOT_SETTLED = "not-settled"
    NOT_BOOKED = "not-booked"
    SEVERAL_FIT = "several-fit"
    """Its RRN, amount and day fit several payments, or several lines fit one: nobody guesses."""
    AMOUNT_DIFFERS = "amount-differs"
    PAYOUT_MISSING = "payout-missing"
    PAYOUT_DIFFERS = "payout-differs"
    UNKNOWN_MOVEMENT = "unknown-movement"
    MDR_DIFFERS = "mdr-differs"
    FILE_MISSING = "file-missing"
    """An acquirer settled nothing of a day at all, and should have by now."""
    STATEMENT_GAP = "statement-gap"
    """A statement opens with another balance than the one before it closed with."""
    OUTCOME_UNKNOWN = "outcome-unknown"
    """We booked it, and the network told the acquirer neither that it went through nor that it
    did not (response code 68)."""


class Reason(StrEnum):
    """By what two lines were known to be of the same money."""

    SAME_RRN = "same-rrn"
    RETURNED_RRN = "returned-rrn"
    NO_RRN_IN_FILE = "no-rrn-in-file"
    NO_RRN_IN_BOOKS = "no-rrn-in-books"
    OUR_REFERENCE_AND_RRN = "our-reference-and-rrn"
    OUR_REFERENCE = "our-reference"
    RRN_AND_DAY = "rrn-and-day"
    AS_MANY_ALIKE = "as-many-alike"
    """So too, of several payments that are alike in it, and as many lines: all are settled."""


class Confidence(StrEnum):
    CERTAIN = "certain"
    """A reference and the network's own id agree, or the bank names what it pays."""
    LIKELY = "likely"
    """The amount and a reference agree, and one side tells no RRN; or RRN and day do, and the file
    tells no reference; or two officers say what a movement pays."""
    POSSIBLE = "possible"
    """The same, of neighbouring days."""


@dataclass(frozen=True)
class Tolerances:
    """What two sides may differ by and still agree, by the rule in force on a day."""

    fee_rounding_rp: int = 0
    """How much the fee of a line may differ from what its rule asks for."""
    late_after_days: int = 3
    """A line is awaited so long after its payment, and a payout after its settlement; one that
    comes later is told as late, though it agrees."""
    heard_within_days: int = 1
    """How far apart the days of a payment and of its line may be, where no time was told."""
    working_days: bool = False
    """Whether only working days count towards what is late."""

    def __post_init__(self) -> None:
        for name, most in LARGEST.items():
            if not 0 <= getattr(self, name) <= most:
                raise ValueError(f"{name} must be 0 to {most}")

    def until(self, day: date, after: "After | None" = None) -> date:
        """The last day on which what follows a day is awaited; `after` counts working days."""
        if self.working_days and after is not None:
            return after(day, self.late_after_days)
        return day + timedelta(days=self.late_after_days)


After = Callable[[date, int], date]
"""The working day that is so many working days after a day."""

LARGEST: Mapping[str, int] = {
    "fee_rounding_rp": 1000, "late_after_days": 31, "heard_within_days": 3,
}  # fmt: skip
USUAL = Tolerances()
"""Before any rule is in force."""


@dataclass(frozen=True)
class Difference:
    """Something the two sides do not agree on.

    `difference_rp` is what the other side says less what we say: negative when money is missing.
    `acquirer` is whose line it is about; two of them may give the same reference, without an RRN.
    """

    kind: DifferenceKind
    subject: str
    difference_rp: int
    ours_rp: int
    theirs_rp: int
    acquirer: str = ""

    @property
    def name(self) -> "Name":
        return self.kind, self.subject, self.acquirer


Name = tuple[DifferenceKind, str, str]
"""A difference's kind, subject and acquirer: no two have the same."""


@dataclass(frozen=True)
class Expected:
    """Money that has not come and need not yet: awaited until the end of a day."""

    kind: DifferenceKind
    """What it is once that day is past."""
    subject: str
    amount_rp: int
    """What is to come; negative for what is to go back."""
    until: date
    acquirer: str = ""
    count: int = 1
    """Of how many payments, or payouts, it is."""

    @property
    def missing(self) -> Difference:
        """The difference that it will be."""
        ours_rp = self.amount_rp
        return Difference(self.kind, self.subject, -ours_rp, ours_rp, 0, self.acquirer)


@dataclass(frozen=True)
class Due:
    """What of a day is not due yet, seen on another day."""

    day: date
    today: date
    until: Callable[[date], date]
    """The last day on which what follows a payment, or a settlement, is awaited."""
    silent: Collection[str] = ()
    """The acquirers no file of which told anything of the day."""
    since: Mapping[str, date] = field(default_factory=dict)
    """When batches and slips beyond the settled lines were settled, or paid in."""

    def is_past(self, since: date) -> bool:
        return self.until(since) < self.today


CERTAIN = frozenset({Reason.SAME_RRN, Reason.RETURNED_RRN, Reason.OUR_REFERENCE_AND_RRN})


@dataclass(frozen=True)
class Matched:
    """A booked payment and the settlement line that pays it out."""

    booked: Booked
    settled: Settled
    across_midnight: bool = False
    """The two are of neighbouring days: the acquirer told no time, and we heard of it later."""
    reason: Reason = Reason.SAME_RRN

    @property
    def confidence(self) -> Confidence:
        if self.reason in CERTAIN:
            return Confidence.CERTAIN
        return Confidence.POSSIBLE if self.across_midnight else Confidence.LIKELY


class How(StrEnum):
    """In which way the bank paid a batch out."""

    WHOLE = "whole"
    SPLIT = "split"
    MERGED = "merged"
    REVERSED = "reversed"
    """Taken back, and paid again."""


@dataclass(frozen=True)
class Paid:
    """A batch, or a slip of cash, whose whole sum the bank received."""

    name: str
    net_rp: int
    movements: tuple[str, ...]
    how: How
    days_late: int = 0
    known: Known = Known.NAMED
    """By officers, where they said so of any of its movements."""

    @property
    def confidence(self) -> Confidence:
        return Confidence.CERTAIN if self.known is Known.NAMED else Confidence.LIKELY


@dataclass(frozen=True)
class Outcome:
    """All of a day: what agrees, what does not."""

    matched: tuple[Matched, ...]
    differences: tuple[Difference, ...]
    explained: frozenset[Name]
    """What this comparison shows to be no difference, on whichever day it was found as one."""
    paid: tuple[Paid, ...] = ()
    received_rp: Mapping[str, int] = field(default_factory=dict)
    """What the bank received for each batch or slip, its part where one sum paid several."""
    expected: tuple[Expected, ...] = ()


@dataclass(frozen=True)
class Nearby:
    """What the days before and after left over: money without a line, and lines without money."""

    booked: Sequence[Booked] = ()
    settled: Sequence[Settled] = ()


def match(
    booked: Iterable[Booked],
    settled: Iterable[Settled],
    movements: Iterable[Movement],
    elsewhere: Mapping[str, int] = MappingProxyType({}),
    nearby: Nearby = Nearby(),
    unsettled: Iterable[Settled] = (),
    tolerances: Tolerances = USUAL,
    due: Due | None = None,
) -> Outcome:
    """Match payments by reference, RRN and amount, and payouts by batch.

    A line that paid out another net than its rule asks for differs too, whichever way.

    `elsewhere` is what movements may name and pay beyond the settled lines: the same batches' net
    for payments of other days, since a batch cut off in the evening is paid out as one sum, and
    the slips of cash deposits. What a day leaves over may belong to the same amount `nearby`.
    `unsettled` are lines of a settlement file by which nothing was settled (response code 68).
    What is not `due` yet is expected, and no difference; without it everything is due.
    """
    settled = sorted(settled, key=_in_order)
    pairs, left, unbooked = pair(booked, settled)
    heard_here, left, _ = _pair_across_midnight(left, nearby.settled)
    settled_here, _, unbooked = _pair_across_midnight(nearby.booked, unbooked)
    matched = [
        Matched(p.booked, p.settled, reason=p.reason)
        for p in pairs
        if p.booked.amount_rp == p.settled.gross_rp
    ]
    matched += [
        Matched(p.booked, p.settled, across_midnight=True, reason=p.reason)
        for p in (*heard_here, *settled_here)
    ]
    several = several_fit(left, unbooked)
    undecided, left, _ = pair(left, unsettled)
    batches = _batches(settled, elsewhere, due.since if due else {})
    payouts = compare_payouts(batches, movements, due.until if due else tolerances.until)
    left, silent, awaited = _not_due(left, due)
    unpaid, awaited_payouts = _payouts_not_due(payouts.differences, batches, due)
    differences = [
        *lines_differ(pairs, left, unbooked, several),
        *silent,
        *(
            _of_line(DifferenceKind.OUTCOME_UNKNOWN, p.booked, p.booked.amount_rp, 0)
            for p in undecided
        ),
        *_fees_differ(settled, tolerances.fee_rounding_rp),
        *unpaid,
    ]
    found = {difference.name for difference in differences}
    return Outcome(
        tuple(matched),
        tuple(sorted(differences, key=repr)),
        frozenset({*_of_lines(matched), *payouts.looked_at} - found),
        payouts.paid,
        payouts.received_rp,
        tuple(sorted((*awaited, *awaited_payouts), key=repr)),
    )


def _not_due(
    left: list[Booked], due: Due | None
) -> tuple[list[Booked], list[Difference], list[Expected]]:
    """What no line settles: what is left of it, whole files that are missing, what is expected."""
    if due is None:
        return left, [], []
    until, untold = due.until(due.day), defaultdict[str, list[int]](list)
    for b in left:
        if b.acquirer in due.silent:
            untold[b.acquirer].append(b.amount_rp)
    # A sum of nothing could never be written off: there each payment and refund is.
    silent = {of: rp for of, rp in untold.items() if sum(rp)}
    told = [b for b in left if b.acquirer not in silent]
    files = [
        Expected(DifferenceKind.FILE_MISSING, f"{of}/{due.day}", sum(rp), until, of, len(rp))
        for of, rp in silent.items()
    ]
    if due.is_past(due.day):
        return told, [file.missing for file in files], []
    kind = DifferenceKind.NOT_SETTLED
    single = [Expected(kind, _subject(b), b.amount_rp, until, b.acquirer) for b in told]
    return [], [], [*files, *single]


def _payouts_not_due(
    found: Iterable[Difference], batches: Mapping[str, "Batch"], due: Due | None
) -> tuple[list[Difference], list[Expected]]:
    differences, expected = [], []
    for each in found:
        since = batches[each.subject].settled_on if each.subject in batches else None
        awaited = each.kind is DifferenceKind.PAYOUT_MISSING and due and since
        if awaited and due and since and not due.is_past(since):
            until = due.until(since)
            expected.append(Expected(each.kind, each.subject, -each.difference_rp, until))
        else:
            differences.append(each)
    return differences, expected


def lines_differ(
    pairs: Iterable["Pair"],
    unsettled: Iterable[Booked],
    unbooked: Iterable[Settled],
    several: Collection[Settled] = (),
) -> list[Difference]:
    return [
        *(_of_line(DifferenceKind.NOT_SETTLED, b, b.amount_rp, 0) for b in unsettled),
        *(
            _of_line(
                DifferenceKind.SEVERAL_FIT if s in several else DifferenceKind.NOT_BOOKED,
                s,
                0,
                s.gross_rp,
            )
            for s in unbooked
            if s.gross_rp and not s.recognised
        ),
        *(
            _of_line(DifferenceKind.AMOUNT_DIFFERS, b, b.amount_rp, s.gross_rp)
            for b, s, _ in pairs
            if b.amount_rp != s.gross_rp
        ),
    ]


def _fees_differ(settled: Iterable[Settled], rounding_rp: int) -> list[Difference]:
    return [
        _of_line(DifferenceKind.MDR_DIFFERS, s, s.gross_rp - due_rp, s.gross_rp - s.mdr_rp)
        for s in settled
        if (due_rp := s.mdr_due_rp) is not None and abs(due_rp - s.mdr_rp) > rounding_rp
    ]


def _of_lines(matched: Iterable[Matched]) -> Iterator[Name]:
    """The differences that were found while one side of what now matches was missing."""
    for m in matched:
        yield DifferenceKind.NOT_SETTLED, _subject(m.booked), m.booked.acquirer
        yield DifferenceKind.OUTCOME_UNKNOWN, _subject(m.booked), m.booked.acquirer
        yield DifferenceKind.NOT_BOOKED, _subject(m.settled), m.settled.acquirer
        yield DifferenceKind.SEVERAL_FIT, _subject(m.settled), m.settled.acquirer


class Pair(NamedTuple):
    booked: Booked
    settled: Settled
    reason: Reason


Key = tuple[Callable[[Booked], str | None], Callable[[Settled], str | None]]
"""What two lines must have alike, one way after the other; None for a line it cannot speak of."""
WAYS: Mapping[Reason, Key] = {
    Reason.SAME_RRN: (lambda b: b.rrn, lambda s: s.rrn),
    Reason.RETURNED_RRN: (lambda b: b.returned_rrn, lambda s: s.rrn),
    Reason.NO_RRN_IN_FILE: (
        lambda b: None if b.rrn is None else "",
        lambda s: "" if s.rrn is None else None,
    ),
    Reason.NO_RRN_IN_BOOKS: (lambda b: "" if b.rrn is None else None, lambda _: ""),
}
BY_OURS: Mapping[Reason, Reason] = {
    Reason.SAME_RRN: Reason.OUR_REFERENCE_AND_RRN,
    Reason.RETURNED_RRN: Reason.OUR_REFERENCE_AND_RRN,
    Reason.NO_RRN_IN_FILE: Reason.OUR_REFERENCE,
    Reason.NO_RRN_IN_BOOKS: Reason.OUR_REFERENCE,
}
"""What each way is called where the file tells our reference in place of the acquirer's."""


def pair(
    booked: Iterable[Booked], settled: Iterable[Settled], *, known: bool = False
) -> tuple[list[Pair], list[Booked], list[Settled]]:
    """Pair lines that speak of the same money: by RRN first, and each time the same amount first.

    What came is never paired with what went back, though both go by the acquirer's reference.
    Of a line without a reference the money is of its day: whether it fits nothing else is then
    asked of the same lines whichever day is looked at. Lines that are `known` to settle some of the
    money, as the ledger says, do so too where more of it is alike.
    """
    left, lines = sorted(booked, key=_in_order), sorted(settled, key=_in_order)
    others = [s for s in lines if s.acquirer_reference is None]
    theirs = [s for s in lines if s.acquirer_reference is not None] if others else lines
    pairs, left, unpaired = _pair_by_reference(left, theirs)
    if others:
        # What officers have decided last: only where nothing else is this money.
        for decided in (False, True):
            ours = [s for s in others if s.reference and s.recognised is decided]
            by_ours, left, unfound = _pair_by_reference(left, ours, ours=True)
            pairs += by_ours
            unpaired += unfound
        untold = [s for s in others if not s.reference]
        for decided in (False, True):
            asked = [s for s in untold if s.recognised <= decided]
            by_day, left, unasked = _pair_by_day(left, asked, known=known)
            untold = unasked + [s for s in untold if s.recognised > decided]
            pairs += by_day
        unpaired = sorted([*unpaired, *untold], key=_in_order)
    return pairs, left, unpaired


def _pair_by_reference(
    left: list[Booked], unpaired: list[Settled], *, ours: bool = False
) -> tuple[list[Pair], list[Booked], list[Settled]]:
    """By the acquirer's reference, or by ours."""
    pairs: list[Pair] = []
    for reason in WAYS:
        for same_amount in (True, False):
            if left and unpaired:
                found, left, unpaired = _pair_by(reason, same_amount, left, unpaired, ours=ours)
                pairs += found
    return pairs, left, unpaired


def _pair_by(
    reason: Reason,
    same_amount: bool,
    booked: Sequence[Booked],
    settled: Sequence[Settled],
    *,
    ours: bool,
) -> tuple[list[Pair], list[Booked], list[Settled]]:
    """The first with the first of those that are alike: none is better than the other."""
    of_ours, of_theirs = WAYS[reason]
    waiting: dict[tuple[object, ...], deque[Settled]] = defaultdict(deque)
    unasked = []
    for s in settled:
        if (name := of_theirs(s)) is None:
            unasked.append(s)
        else:
            amount = s.gross_rp if same_amount else s.gross_rp < 0
            reference = s.reference if ours else s.acquirer_reference
            waiting[s.acquirer, reference, name, amount].append(s)
    pairs, left = [], []
    for b in booked:
        amount = b.amount_rp if same_amount else b.amount_rp < 0
        reference = b.reference if ours else b.acquirer_reference
        alike = waiting.get((b.acquirer, reference, of_ours(b), amount))
        if alike:
            pairs.append(Pair(b, alike.popleft(), BY_OURS[reason] if ours else reason))
        else:
            left.append(b)
    unpaired = [s for alike in waiting.values() for s in alike]
    return pairs, left, sorted([*unasked, *unpaired], key=_in_order)


def _pair_by_day(
    booked: list[Booked], settled: list[Settled], *, known: bool
) -> tuple[list[Pair], list[Booked], list[Settled]]:
    """By RRN, amount and day: what fits nothing but each other, since an RRN comes again.

    As many lines as payments that are alike settle them all: the first the first, in order.
    """
    fits = _fitting(booked, settled)
    several = Counter(at for ours in fits for at in ours)
    alike: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for at, ours in enumerate(fits):
        alike[tuple(ours)].append(at)
    found: dict[int, int] = {}
    pairs = []
    for fitting, lines in alike.items():
        as_many = len(lines) <= len(fitting) if known else len(lines) == len(fitting)
        if as_many and all(several[one] == len(lines) for one in fitting):
            reason = Reason.RRN_AND_DAY if len(fitting) == 1 else Reason.AS_MANY_ALIKE
            found |= dict(zip(fitting, lines, strict=False))
            pairs += [
                Pair(booked[one], settled[at], reason)
                for one, at in zip(fitting, lines, strict=False)
            ]
    settling = set(found.values())
    return (
        pairs,
        [b for at, b in enumerate(booked) if at not in found],
        [s for at, s in enumerate(settled) if at not in settling],
    )


def several_fit(booked: Sequence[Booked], settled: Sequence[Settled]) -> set[Settled]:
    """The lines left over though their RRN, amount and day fit money that is left over too."""
    by_rrn = [s for s in settled if s.acquirer_reference is None and not s.reference]
    return {s for s, ours in zip(by_rrn, _fitting(booked, by_rrn), strict=True) if ours}


def _fitting(booked: Sequence[Booked], settled: Sequence[Settled]) -> list[list[int]]:
    """Of each line without a reference: which of the booked money its RRN, amount and day fit."""
    known: dict[tuple[str, str | None, int], list[int]] = defaultdict(list)
    for at, b in enumerate(booked) if settled else ():
        for rrn in {b.rrn, b.returned_rrn} - {None}:
            known[b.acquirer, rrn, b.amount_rp].append(at)
    return [
        [
            at
            for at in known.get((s.acquirer, s.rrn, s.gross_rp), ())
            if None in (booked[at].day, s.day) or booked[at].day == s.day
        ]
        for s in settled
    ]


def _pair_across_midnight(
    booked: Iterable[Booked], settled: Iterable[Settled]
) -> tuple[list[Pair], list[Booked], list[Settled]]:
    """As `pair`, but only what agrees in amount too."""
    pairs, unsettled, unbooked = pair(booked, settled)
    alike = [p for p in pairs if p.booked.amount_rp == p.settled.gross_rp]
    differing = [p for p in pairs if p.booked.amount_rp != p.settled.gross_rp]
    return (
        alike,
        unsettled + [p.booked for p in differing],
        unbooked + [p.settled for p in differing],
    )


def _in_order(line: Booked | Settled) -> tuple[object, ...]:
    """One order of lines, which an engine can keep too: ids by their characters."""
    if isinstance(line, Booked):
        return (
            line.acquirer_reference, line.rrn or "", line.amount_rp, line.reference,
            line.returned_rrn or "", str(line.day or ""),
        )  # fmt: skip
    return (
        line.acquirer_reference or "", line.rrn or "", line.gross_rp, line.reference, line.batch_id,
        line.mdr_rp, line.net_rp, line.mdr_due_rp or 0, line.recognised,
        str(line.settled_on or ""), str(line.paid_at or ""), str(line.day or ""),
    )  # fmt: skip


@dataclass(frozen=True)
class Batch:
    """What a batch, or a slip of cash, is to bring, and when it was settled."""

    net_rp: int
    settled_on: date | None = None


def _batches(
    settled: Iterable[Settled], elsewhere: Mapping[str, int], since: Mapping[str, date]
) -> dict[str, Batch]:
    nets: Counter[str] = Counter(elsewhere)
    days = dict(since)
    for line in settled:
        nets[line.batch_id] += line.net_rp
        if line.settled_on is not None:
            days[line.batch_id] = max(line.settled_on, days.get(line.batch_id, date.min))
    return {name: Batch(net_rp, days.get(name)) for name, net_rp in nets.items()}


@dataclass(frozen=True)
class Payouts:
    """Batches against the bank; `looked_at` is what is no difference unless it was found as one."""

    paid: tuple[Paid, ...]
    differences: tuple[Difference, ...]
    looked_at: tuple[Name, ...]
    received_rp: Mapping[str, int]


def compare_payouts(
    batches: Mapping[str, Batch],
    movements: Iterable[Movement],
    until: Callable[[date], date] = USUAL.until,
) -> Payouts:
    """Each batch's net against the bank's movements that pay it out, in time or later."""
    # First those that pay one batch only: what they leave open is for those that pay several.
    moved = sorted(movements, key=lambda movement: (bool(movement.also), repr(movement)))
    received: dict[str, list[tuple[int, Movement]]] = defaultdict(list)
    differences = []
    for movement in moved:
        if movement.pays is not None:
            for name, part_rp in _shared(movement, batches, received):
                received[name].append((part_rp, movement))
        elif not movement.recognised:
            kind = DifferenceKind.UNKNOWN_MOVEMENT
            differences.append(_difference(kind, movement.subject, 0, movement.amount_rp))
    paid = []
    for name in (*batches, *(name for name in received if name not in batches)):
        batch = batches.get(name, Batch(0))
        parts = received.get(name, [])
        received_rp = sum(part_rp for part_rp, _ in parts)
        if received_rp == batch.net_rp:
            if parts:
                paid.append(_paid(name, batch, parts, until))
        else:
            kind = DifferenceKind.PAYOUT_DIFFERS if parts else DifferenceKind.PAYOUT_MISSING
            differences.append(_difference(kind, name, batch.net_rp, received_rp))
    kinds = (DifferenceKind.PAYOUT_MISSING, DifferenceKind.PAYOUT_DIFFERS)
    return Payouts(
        tuple(sorted(paid, key=lambda p: p.name)),
        tuple(differences),
        tuple((kind, name, "") for kind in kinds for name in batches),
        {name: sum(part_rp for part_rp, _ in parts) for name, parts in received.items()},
    )


def _shared(
    movement: Movement,
    batches: Mapping[str, Batch],
    received: Mapping[str, list[tuple[int, Movement]]],
) -> Iterator[tuple[str, int]]:
    """The parts of one sum for several batches: to each what it still lacks, in order of names.

    What is left of it stays with the batch the books know it by.
    """
    assert movement.pays is not None
    left_rp = movement.amount_rp
    for name in sorted({movement.pays, *movement.also}) if movement.also else ():
        came_rp = sum(part_rp for part_rp, _ in received.get(name, ()))
        lacks_rp = batches.get(name, Batch(0)).net_rp - came_rp
        # A sum that is taken back takes from each what it had.
        part_rp = max(min(left_rp, lacks_rp), 0) if left_rp > 0 else min(max(left_rp, -came_rp), 0)
        if part_rp:
            left_rp -= part_rp
            yield name, part_rp
    if left_rp or not movement.also:
        yield movement.pays, left_rp


def _paid(
    name: str,
    batch: Batch,
    parts: Sequence[tuple[int, Movement]],
    until: Callable[[date], date],
) -> Paid:
    movements = {movement.subject: movement for _, movement in parts}
    days = [m.value_on for m in movements.values() if m.value_on is not None]
    days_late = 0
    if batch.settled_on is not None and days:
        days_late = max((max(days) - until(batch.settled_on)).days, 0)
    if any((part_rp < 0) != (batch.net_rp < 0) for part_rp, _ in parts):
        how = How.REVERSED
    elif any(movement.also for movement in movements.values()):
        how = How.MERGED
    else:
        how = How.SPLIT if len(movements) > 1 else How.WHOLE
    told = {movement.known for movement in movements.values()}
    known = Known.BY_OFFICERS if Known.BY_OFFICERS in told else Known.NAMED
    return Paid(name, batch.net_rp, tuple(movements), how, days_late, known)


def named_together(names: Iterable[str], of_movements: Iterable[Collection[str]]) -> set[str]:
    """The batches that must be compared together: one sum pays them, or each with a third one."""
    together = set(names)
    waiting = [set(named) for named in of_movements]
    while joined := [named for named in waiting if named & together]:
        together.update(*joined)
        waiting = [named for named in waiting if not named <= together]
    return together


def batches_named(narrative: str, batches: Iterable[str]) -> tuple[str, ...]:
    """All batches that a narrative speaks of, but for those within the name of another one."""
    named = sorted(batch for batch in batches if _word(batch).search(narrative))
    return tuple(n for n in named if not any(n != m and _word(n).search(m) for m in named))


def batch_named(narrative: str, batches: Iterable[str]) -> str | None:
    """The batch a narrative speaks of, as a word of its own; the longest where it names several."""
    named = [batch for batch in batches if _word(batch).search(narrative)]
    return max(sorted(named), key=len, default=None)


@lru_cache(4096)
def _word(batch: str) -> re.Pattern[str]:
    """A batch's name wherever the bank may have wrapped it, but never as a part of another word."""
    name = r"\s*".join(re.escape(character) for character in "".join(batch.split()))
    return re.compile(rf"(?<![A-Za-z0-9]){name}(?![A-Za-z0-9])")


def _difference(kind: DifferenceKind, subject: str, ours_rp: int, theirs_rp: int) -> Difference:
    return Difference(kind, subject, theirs_rp - ours_rp, ours_rp, theirs_rp)


def _of_line(
    kind: DifferenceKind, line: Booked | Settled, ours_rp: int, theirs_rp: int
) -> Difference:
    difference_rp = theirs_rp - ours_rp
    return Difference(kind, _subject(line), difference_rp, ours_rp, theirs_rp, line.acquirer)


def _subject(line: Booked | Settled) -> str:
    """What a line is about; some acquirers settle a refund under the very RRN of its payment."""
    went_back = (line.amount_rp if isinstance(line, Booked) else line.gross_rp) < 0
    back = "/pengembalian" if went_back else ""
    if line.acquirer_reference is not None:
        return f"{line.acquirer_reference}/{line.rrn or '-'}{back}"
    # One reference or RRN may be told of several payments, at other times.
    return f"{line.reference or '-'}/{line.rrn or '-'}/{_told_at(line)}{back}"


def _told_at(line: Settled) -> str:
    return f"{line.paid_at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}" if line.paid_at else "-"
