"""Matching what we booked with what the acquirer settled and the bank received. Pure.

Each line is used once, and the order in which lines come does not matter.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType


@dataclass(frozen=True)
class Booked:
    """Money in our ledger, as the acquirer told us of it."""

    reference: str
    acquirer_reference: str
    rrn: str | None
    amount_rp: int
    returned_rrn: str | None = None
    """Of a refund: the RRN of the payment it returns, under which some acquirers settle it."""


@dataclass(frozen=True)
class Settled:
    """One line of a settlement file."""

    batch_id: str
    reference: str
    acquirer_reference: str
    rrn: str | None
    gross_rp: int
    mdr_rp: int
    net_rp: int
    mdr_due_rp: int | None = None
    """The fee that the rule in force asks for, where there is one."""
    recognised: bool = False
    """Two officers decided what it is: nothing is left to explain, though we booked no money."""


@dataclass(frozen=True)
class Movement:
    """One line of a bank statement; a credit is positive."""

    subject: str
    amount_rp: int
    pays: str | None
    """The batch or slip whose money it is in the books; None for one in suspense."""
    recognised: bool = False
    """Two officers decided what it is."""


class DifferenceKind(StrEnum):
    NOT_SETTLED = "not-settled"
    NOT_BOOKED = "not-booked"
    AMOUNT_DIFFERS = "amount-differs"
    PAYOUT_MISSING = "payout-missing"
    PAYOUT_DIFFERS = "payout-differs"
    UNKNOWN_MOVEMENT = "unknown-movement"
    MDR_DIFFERS = "mdr-differs"


@dataclass(frozen=True)
class Difference:
    """Something the two sides do not agree on.

    `difference_rp` is what the other side says less what we say: negative when money is missing.
    """

    kind: DifferenceKind
    subject: str
    difference_rp: int
    ours_rp: int
    theirs_rp: int


@dataclass(frozen=True)
class Matched:
    """A booked payment and the settlement line that pays it out."""

    booked: Booked
    settled: Settled
    across_midnight: bool = False
    """The two are of neighbouring days: the acquirer told no time, and we heard of it later."""


@dataclass(frozen=True)
class Outcome:
    """All of a day: what agrees, what does not."""

    matched: tuple[Matched, ...]
    differences: tuple[Difference, ...]
    explained: frozenset[tuple[DifferenceKind, str]]
    """What this comparison shows to be no difference, on whichever day it was found as one."""


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
) -> Outcome:
    """Match payments by the acquirer's reference, RRN and amount, and payouts by batch.

    A line that paid out another net than its rule asks for differs too, whichever way.

    `elsewhere` is what movements may name and pay beyond the settled lines: the same batches' net
    for payments of other days, since a batch cut off in the evening is paid out as one sum, and
    the slips of cash deposits. What a day leaves over may belong to the same amount `nearby`.
    """
    settled = sorted(settled, key=repr)
    pairs, unsettled, unbooked = pair(sorted(booked, key=repr), settled)
    heard_here, unsettled, _ = _pair_across_midnight(unsettled, nearby.settled)
    settled_here, _, unbooked = _pair_across_midnight(nearby.booked, unbooked)
    matched = [Matched(b, s) for b, s in pairs if b.amount_rp == s.gross_rp]
    matched += [Matched(b, s, across_midnight=True) for b, s in (*heard_here, *settled_here)]
    payouts, paid = _payouts(settled, elsewhere, sorted(movements, key=repr))
    differences = [
        *_lines_differ(pairs, unsettled, unbooked),
        *_fees_differ(settled),
        *payouts,
    ]
    found = {(difference.kind, difference.subject) for difference in differences}
    return Outcome(
        tuple(matched),
        tuple(sorted(differences, key=repr)),
        frozenset({*_of_lines(matched), *paid} - found),
    )


def _lines_differ(
    pairs: Iterable[tuple[Booked, Settled]],
    unsettled: Iterable[Booked],
    unbooked: Iterable[Settled],
) -> list[Difference]:
    return [
        *(_difference(DifferenceKind.NOT_SETTLED, _subject(b), b.amount_rp, 0) for b in unsettled),
        *(
            _difference(DifferenceKind.NOT_BOOKED, _subject(s), 0, s.gross_rp)
            for s in unbooked
            if s.gross_rp and not s.recognised
        ),
        *(
            _difference(DifferenceKind.AMOUNT_DIFFERS, _subject(b), b.amount_rp, s.gross_rp)
            for b, s in pairs
            if b.amount_rp != s.gross_rp
        ),
    ]


def _fees_differ(settled: Iterable[Settled]) -> list[Difference]:
    return [
        _difference(
            DifferenceKind.MDR_DIFFERS, _subject(s), s.gross_rp - due_rp, s.gross_rp - s.mdr_rp
        )
        for s in settled
        if (due_rp := s.mdr_due_rp) is not None and due_rp != s.mdr_rp
    ]


def _of_lines(matched: Iterable[Matched]) -> Iterator[tuple[DifferenceKind, str]]:
    """The differences that were found while one side of what now matches was missing."""
    for m in matched:
        yield DifferenceKind.NOT_SETTLED, _subject(m.booked)
        yield DifferenceKind.NOT_BOOKED, _subject(m.settled)


def pair(
    booked: Sequence[Booked], settled: Sequence[Settled]
) -> tuple[list[tuple[Booked, Settled]], list[Booked], list[Settled]]:
    """Pair sorted lines that speak of the same money: by RRN first, then those without one.

    What came is never paired with what went back, though both go by the acquirer's reference.
    """
    waiting: dict[tuple[str, bool], list[Settled]] = defaultdict(list)
    for s in settled:
        waiting[s.acquirer_reference, s.gross_rp < 0].append(s)
    pairs: list[tuple[Booked, Settled]] = []
    left = list(booked)
    for agrees in (_same_rrn, _returned_rrn, _rrn_unknown):
        unpaired = []
        for b in left:
            candidates = waiting[b.acquirer_reference, b.amount_rp < 0]
            found = next((s for s in candidates if agrees(b, s)), None)
            if found is None:
                unpaired.append(b)
            else:
                candidates.remove(found)
                pairs.append((b, found))
        left = unpaired
    return pairs, left, [s for lines in waiting.values() for s in lines]


def _pair_across_midnight(
    booked: Sequence[Booked], settled: Sequence[Settled]
) -> tuple[list[tuple[Booked, Settled]], list[Booked], list[Settled]]:
    """As `pair`, but only what agrees in amount too."""
    pairs, unsettled, unbooked = pair(sorted(booked, key=repr), sorted(settled, key=repr))
    alike = [(b, s) for b, s in pairs if b.amount_rp == s.gross_rp]
    differing = [(b, s) for b, s in pairs if b.amount_rp != s.gross_rp]
    return alike, unsettled + [b for b, _ in differing], unbooked + [s for _, s in differing]


def _same_rrn(booked: Booked, settled: Settled) -> bool:
    return booked.rrn is not None and booked.rrn == settled.rrn


def _returned_rrn(booked: Booked, settled: Settled) -> bool:
    return booked.returned_rrn is not None and booked.returned_rrn == settled.rrn


def _rrn_unknown(booked: Booked, settled: Settled) -> bool:
    return booked.rrn is None or settled.rrn is None


def _payouts(
    settled: Sequence[Settled], elsewhere: Mapping[str, int], movements: Sequence[Movement]
) -> tuple[list[Difference], list[tuple[DifferenceKind, str]]]:
    """Each batch's net against the bank's movements that pay it out; and what was looked at."""
    nets: Counter[str] = Counter(elsewhere)
    for line in settled:
        nets[line.batch_id] += line.net_rp
    received: dict[str, int] = defaultdict(int)
    differences = []
    for movement in movements:
        if movement.pays is not None:
            received[movement.pays] += movement.amount_rp
        elif not movement.recognised:
            kind = DifferenceKind.UNKNOWN_MOVEMENT
            differences.append(_difference(kind, movement.subject, 0, movement.amount_rp))
    for batch in (*nets, *(paid for paid in received if paid not in nets)):
        net_rp = nets[batch]
        if batch not in received:
            if net_rp:
                kind = DifferenceKind.PAYOUT_MISSING
                differences.append(_difference(kind, batch, net_rp, 0))
        elif received[batch] != net_rp:
            kind = DifferenceKind.PAYOUT_DIFFERS
            differences.append(_difference(kind, batch, net_rp, received[batch]))
    kinds = (DifferenceKind.PAYOUT_MISSING, DifferenceKind.PAYOUT_DIFFERS)
    return differences, [(kind, batch) for kind in kinds for batch in nets]


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


def _subject(line: Booked | Settled) -> str:
    """What a line is about; some acquirers settle a refund under the very RRN of its payment."""
    went_back = (line.amount_rp if isinstance(line, Booked) else line.gross_rp) < 0
    return f"{line.acquirer_reference}/{line.rrn or '-'}{'/pengembalian' if went_back else ''}"
