"""Recording money that came: any number of arrivals, each once, in one transaction.

Money is recorded with its evidence, entry, receipt and case, or not at all. Every statement takes
all arrivals of the transaction together, so that sixty cost little more than one.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import zip_longest
from typing import Any
from uuid import UUID

import structlog
from prometheus_client import Counter

from domain.covered import Pass
from domain.money import format_rp
from domain.payment import (
    EVENTS_TO_PAID,
    ChargeState,
    MoneyFlag,
    PaymentEvent,
    PaymentState,
    advance_charge,
    advance_payment,
    judge_money,
)
from domain.receipt import ReceiptFacts
from domain.shares import pool, share
from server.database import Connected, Insertions, fetch, new_id
from server.ledger import postings
from server.ledger import service as ledger
from server.ledger.postings import Leg
from server.ledger.service import DatedShareRule, NewEntry
from server.parking import pass_orders
from server.parking import service as parking
from server.payments import cases, receipts
from server.payments.books import Books
from server.payments.models import CASH, VOUCHER, Case, ChargeChange, Money
from server.payments.queries import KnownMoney, LockedCharge, known_money, lock_charges
from server.webhooks import service as webhooks
from server.webhooks.facts import ChargePaid, Fact, ReceiptIssued

log = structlog.get_logger()

PAID = Counter(
    "karcis_paid", "Money that an acquirer told of and that was booked", ["acquirer", "by"]
)

CLOCK_SLACK = timedelta(minutes=15)
"""How far an acquirer's clock may be from ours before its time of payment is not believed."""


@dataclass(frozen=True)
class Redeemed:
    """A voucher that ended by paying; its value may be more than the stay's price."""

    serial: str
    value_rp: int


@dataclass(frozen=True)
class Arrival:
    """Money an acquirer verifiably says it holds for us, with the evidence that says so."""

    acquirer_reference: str
    rrn: str | None
    amount_rp: int
    paid_at: datetime
    notification_id: UUID | None = None
    inquiry_id: UUID | None = None
    settlement_line_id: UUID | None = None
    shift_id: UUID | None = None
    """For cash alone: whose shift owes it. An attendant's word is evidence against himself only."""
    voucher: Redeemed | None = None
    returned: bool = False
    """Whether the acquirer says that it gave all of it back already."""


class NotRecorded(StrEnum):
    """Why an arrival was not recorded: it was before, or for another of our charges."""

    REPEAT = "repeat"
    ELSEWHERE = "elsewhere"


@dataclass(frozen=True)
class Weighed:
    """An arrival that is news, and what it is to its charge."""

    charge: LockedCharge
    arrival: Arrival
    flag: MoneyFlag
    paid_at: datetime
    business_day: date
    money_id: UUID

    @property
    def exact(self) -> bool:
        return self.flag is MoneyFlag.EXACT


def weigh(
    arrivals: Sequence[tuple[LockedCharge, Arrival]],
    known: Sequence[KnownMoney],
    books: Books,
    *,
    now: datetime,
) -> list[Weighed | NotRecorded]:
    """What each arrival is to its locked charge, in order; one arrival a charge at most.

    `known` is all money known of these charges, and under these references of their acquirer.
    """
    by_charge: dict[UUID, list[KnownMoney]] = defaultdict(list)
    for money in known:
        by_charge[money.charge_id].append(money)
    taken = {(money.acquirer_reference, money.rrn) for money in known}
    return [
        _weigh(charge, arrival, by_charge[charge.id], taken, books, now)
        for charge, arrival in arrivals
    ]


async def record_one(
    db: Connected,
    acquirer: str,
    reference: str,
    arrival: Arrival,
    books: Books,
    *,
    now: datetime,
) -> MoneyFlag | NotRecorded:
    """Lock the charge of one of our references, which must exist, and record its money."""
    (weighed,) = await record_all(db, acquirer, {reference: arrival}, books, now=now)
    return weighed.flag if isinstance(weighed, Weighed) else weighed


async def record_all(
    db: Connected,
    acquirer: str,
    arrived: Mapping[str, Arrival],
    books: Books,
    *,
    now: datetime,
) -> list[Weighed | NotRecorded]:
    """Lock the charges of some of our references, which must exist, and record their money."""
    locked = await lock_charges(db, acquirer, list(arrived))
    told = [(locked[reference], arrival) for reference, arrival in arrived.items()]
    known = await known_money(
        db,
        acquirer,
        [charge.id for charge, _ in told],
        [arrival.acquirer_reference for _, arrival in told],
    )
    weighed = weigh(told, known, books, now=now)
    news = [item for item in weighed if isinstance(item, Weighed)]
    await record(db, news, books, now=now, insertions=Insertions())
    return weighed


def _weigh(
    charge: LockedCharge,
    arrival: Arrival,
    own: Iterable[KnownMoney],
    taken: Container[tuple[str, str | None]],
    books: Books,
    now: datetime,
) -> Weighed | NotRecorded:
    if any(same(money, arrival, charge) for money in own):
        return NotRecorded.REPEAT
    if (arrival.acquirer_reference, arrival.rrn) in taken:
        return NotRecorded.ELSEWHERE
    paid_at = _credible(arrival.paid_at, charge, now)
    flag = (
        MoneyFlag.RETURNED
        if arrival.returned
        else judge_money(ChargeState(charge.state), charge.amount_rp, arrival.amount_rp)
    )
    return Weighed(charge, arrival, flag, paid_at, books.business_day(paid_at), new_id())


def same(known: KnownMoney, arrival: Arrival, charge: LockedCharge) -> bool:
    """Whether money already recorded for a charge is the money now told of.

    The network's id decides. Where one side lacks it, arrivals under one reference of the acquirer
    cannot be told apart and count as one; our own reference stands for one it did not tell.
    """
    if known.rrn is not None and arrival.rrn is not None:
        return known.rrn == arrival.rrn
    references = {known.acquirer_reference, arrival.acquirer_reference}
    return len(references) == 1 or charge.reference in references


def _credible(paid_at: datetime, charge: LockedCharge, now: datetime) -> datetime:
    """The acquirer's time of payment, unless its clock must be wrong: then our own."""
    earliest, latest = charge.created_at - CLOCK_SLACK, now + CLOCK_SLACK
    return paid_at if earliest <= paid_at <= latest else now


async def record(
    db: Connected,
    arrivals: Sequence[Weighed],
    books: Books,
    *,
    now: datetime,
    insertions: Insertions,
) -> None:
    """Record money that is news, together with what is to be inserted with it as its evidence.

    Exact money pays the charge and allots its receipt. Any other is held in suspense with a case.
    """
    paid = [item for item in arrivals if item.exact]
    if arrivals:
        await _add_money(db, insertions, arrivals, now)
        await _hold(db, insertions, [item for item in arrivals if not item.exact], now)
        await _advance(db, insertions, paid, now)
        # Who pays has come, though the handheld that showed the barcode may tell so hours later.
        come = [
            (item.charge.stay_id, item.paid_at)
            for item in paid
            if item.charge.stay_id is not None and item.charge.is_reserved
        ]
        await parking.begin(db, come)
        total_rp = sum(item.arrival.amount_rp for item in arrivals)
        log.info("money", count=len(arrivals), amount_rp=total_rp)
    await insertions.write(db)
    # Last: a zone's receipts are numbered one transaction after the other.
    await _issue_receipts(db, paid, books, now)


async def _add_money(
    db: Connected, insertions: Insertions, arrivals: Sequence[Weighed], now: datetime
) -> None:
    days = [item.business_day for item in arrivals]
    rules = await ledger.share_rules(db, min(days), max(days))
    entry_ids = ledger.add_entries(insertions, [_entry(item, rules) for item in arrivals], now=now)
    insertions.add(
        Money,
        [
            {
                "id": item.money_id,
                "charge_id": item.charge.id,
                "acquirer": item.charge.acquirer,
                "acquirer_reference": item.arrival.acquirer_reference,
                "rrn": item.arrival.rrn,
                "amount_rp": item.arrival.amount_rp,
                "flag": item.flag.value,
                "paid_at": item.paid_at,
                "business_day": item.business_day,
                "notification_id": item.arrival.notification_id,
                "inquiry_id": item.arrival.inquiry_id,
                "settlement_line_id": item.arrival.settlement_line_id,
                "shift_id": item.arrival.shift_id,
                "voucher_serial": item.arrival.voucher and item.arrival.voucher.serial,
                "entry_id": entry_id,
            }
            for item, entry_id in zip(arrivals, entry_ids, strict=True)
        ],
    )


def _entry(item: Weighed, rules: Sequence[DatedShareRule]) -> NewEntry:
    charge, arrival = item.charge, item.arrival
    return NewEntry(
        _legs(item, rules),
        source=f"money:{charge.acquirer}:{arrival.acquirer_reference}:{arrival.rrn or '-'}",
        description=(
            f"{charge.method} {charge.spot_code or 'langganan'} {format_rp(arrival.amount_rp)}"
            f" ({item.flag})"
        ),
        business_day=item.business_day,
    )


def _legs(item: Weighed, rules: Sequence[DatedShareRule]) -> tuple[Leg, ...]:
    charge, arrival, amount_rp = item.charge, item.arrival, item.arrival.amount_rp
    earner = charge.attendant_code or pool(charge.zone_code)
    if not item.exact:
        if charge.acquirer == CASH:
            return postings.for_cash_suspense(amount_rp, earner)
        return postings.for_suspense(amount_rp)
    if charge.zone_id is None:
        return postings.for_pass_paid(amount_rp)
    rule = ledger.pick(rules, charge.zone_id, item.business_day)
    shares = share(amount_rp, rule, earner)
    if charge.acquirer == CASH:
        return postings.for_cash(amount_rp, charge.zone_code, earner, shares)
    if arrival.voucher is not None:
        return postings.for_voucher(arrival.voucher.value_rp, amount_rp, charge.zone_code, shares)
    return postings.for_payment(amount_rp, charge.zone_code, shares)


FLAG = """
    UPDATE charges SET money_flag = told.flag, next_inquiry_at = NULL
    FROM unnest($1::uuid[], $2::text[]) AS told (id, flag)
    WHERE charges.id = told.id
"""


async def _hold(
    db: Connected, insertions: Insertions, held: Sequence[Weighed], now: datetime
) -> None:
    """Money that does not fit its charge: in suspense, with a case that somebody owns."""
    if not held:
        return
    for item in held:
        log.warning(
            "money_held",
            charge_id=str(item.charge.id),
            flag=item.flag,
            amount_rp=item.arrival.amount_rp,
        )
    await fetch(db, FLAG, [item.charge.id for item in held], [item.flag for item in held])
    insertions.add(
        Case,
        [
            cases.opened(item.flag.value, "money_id", item.money_id, item.arrival.amount_rp, now)
            for item in held
        ],
    )


# The payments are those of the charges that become paid; a row is updated once a statement.
MOVE = """
    WITH moved AS (
        UPDATE charges SET state = told.after,
            paid_at = CASE told.after WHEN 'paid' THEN told.paid_at ELSE charges.paid_at END,
            money_flag = 'exact', next_inquiry_at = NULL
        FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[])
            AS told (id, before, after, paid_at)
        WHERE charges.id = told.id AND charges.state = told.before
        RETURNING 1
    ), confirmed AS (
        UPDATE payments SET state = told.after
        FROM unnest($5::uuid[], $6::text[], $7::text[]) AS told (id, before, after)
        WHERE payments.id = told.id AND payments.state = told.before
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM moved), (SELECT count(*) FROM confirmed)
"""


class ChargeMoved(RuntimeError):
    """A locked row was not in the state it was locked in: the lock did not hold."""


async def _issue_receipts(
    db: Connected, paid: Sequence[Weighed], books: Books, now: datetime
) -> None:
    if not paid:
        return
    sold = [
        receipts.Sold(
            item.charge,
            item.money_id,
            item.paid_at,
            item.arrival.rrn,
            await _pass_of(db, item.charge, now),
        )
        for item in paid
    ]
    insertions = Insertions()
    issued = await receipts.issue(db, insertions, sold, books, now)
    webhooks.add_facts(
        insertions,
        [
            fact
            for item, receipt in zip(paid, issued, strict=True)
            for fact in _facts(item, receipt, now)
        ],
    )
    await insertions.write(db)


async def _pass_of(db: Connected, charge: LockedCharge, now: datetime) -> Pass | None:
    """The pass that was paid for: entered now, so that it is there whenever its money is."""
    if charge.pass_order_id is None:
        return None
    return await pass_orders.give(db, charge.pass_order_id, now=now)


def _facts(item: Weighed, receipt: ReceiptFacts, now: datetime) -> tuple[Fact, Fact]:
    charge = item.charge
    paid = ChargePaid(
        charge_id=charge.id,
        spot=charge.spot_code,
        zone=charge.zone_code,
        amount_rp=charge.amount_rp,
        paid_at=item.paid_at,
        business_day=item.business_day,
        receipt=receipt.number,
        pass_serial=receipt.pass_serial,
    )
    issued = ReceiptIssued(
        number=receipt.number,
        charge_id=charge.id,
        amount_rp=charge.amount_rp,
        issued_at=now,
        url=receipt.verify_url,
    )
    return paid, issued


async def _advance(
    db: Connected, insertions: Insertions, paid: Sequence[Weighed], now: datetime
) -> None:
    """Move each charge to paid, edge by edge, and keep every step; its payment is then paid too."""
    changes: list[dict[str, Any]] = []
    paths = [_path(ChargeState(item.charge.state)) for item in paid]
    # In the order they happened also when they happened in one millisecond.
    ids = iter(sorted(new_id() for path in paths for _ in path))
    for steps in zip_longest(*paths):
        moving = [(item, *step) for item, step in zip(paid, steps, strict=True) if step is not None]
        confirmed = [item.charge for item, _, after in moving if after is ChargeState.PAID]
        before_paid = [PaymentState(charge.payment_state) for charge in confirmed]
        (counts,) = await fetch(
            db,
            MOVE,
            [item.charge.id for item, _, _ in moving],
            [before.value for _, before, _ in moving],
            [after.value for _, _, after in moving],
            [item.paid_at for item, _, _ in moving],
            [charge.payment_id for charge in confirmed],
            [state.value for state in before_paid],
            [advance_payment(state, PaymentEvent.CONFIRMED).value for state in before_paid],
        )
        if tuple(counts) != (len(moving), len(confirmed)):
            raise ChargeMoved("a charge or its payment changed under its lock")
        changes += [
            {
                "id": next(ids),
                "charge_id": item.charge.id,
                "changed_at": now,
                "state_before": before.value,
                "state_after": after.value,
                "who": "attendant" if item.charge.acquirer in (CASH, VOUCHER) else "acquirer",
                "why": "money",
            }
            for item, before, after in moving
        ]
    insertions.add(ChargeChange, changes)


def _path(state: ChargeState) -> list[tuple[ChargeState, ChargeState]]:
    """The edges by which exact money leads from a payable state to paid."""
    edges = []
    for event in EVENTS_TO_PAID[state]:
        edges.append((state, advance_charge(state, event)))
        state = edges[-1][1]
    return edges
