"""All rules there are, with the days on which each holds."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.covered import PassKind, Picture
from domain.mdr import MerchantCriteria
from domain.shares import ShareLeg
from domain.tariff import VehicleClass
from server.ledger.models import MdrRuleRow, PayoutRuleRow, ShareRuleRow
from server.parking.covered_models import Exemption, PassPrice
from server.reconciliation.models import MatchingRule
from server.reports.models import RevenueTarget
from server.rules.kinds import (
    FreeVehicles,
    Matching,
    Mdr,
    PassPricing,
    Payout,
    Rule,
    Shares,
    Target,
)
from server.spots.models import Zone


@dataclass(frozen=True)
class Standing:
    """A rule and its last day; `replaced` where a newer one says something else of the same."""

    rule: Rule
    until: date | None
    replaced: bool = False

    def state(self, today: date) -> str:
        if self.replaced or (self.until is not None and self.until < today):
            return "past"
        return "coming" if self.rule.begins > today else "in-force"

    @property
    def key(self) -> str:
        """The same whatever its end became."""
        return self.rule.model_dump_json(exclude={"valid_until"})


async def every(db: AsyncSession) -> list[Standing]:
    """By kind, the newest first. What is stored was allowed once, so it is not judged again."""
    return [
        *await _shares(db),
        *await _mdr(db),
        *await _payouts(db),
        *await _matching(db),
        *await _targets(db),
        *await _pass_prices(db),
        *await _exemptions(db),
    ]


async def _shares(db: AsyncSession) -> list[Standing]:
    rows = await db.execute(
        select(ShareRuleRow, Zone.code)
        .outerjoin(Zone, Zone.id == ShareRuleRow.zone_id)
        .order_by(ShareRuleRow.valid_from.desc(), Zone.code)
        .execution_options(populate_existing=True)
    )
    return [
        Standing(
            Shares.model_construct(
                zone=zone,
                valid_from=row.valid_from,
                valid_until=row.valid_until,
                regulation=row.regulation,
                attendant_bp=row.attendant_bp,
                third_party_bp=row.third_party_bp,
                third_party=row.third_party,
                remainder_to=ShareLeg(row.remainder_to),
            ),
            row.valid_until,
        )
        for row, zone in rows
    ]


async def _mdr(db: AsyncSession) -> list[Standing]:
    rows = await db.scalars(
        select(MdrRuleRow)
        .order_by(MdrRuleRow.valid_from.desc(), MdrRuleRow.criteria)
        .execution_options(populate_existing=True)
    )
    return [
        Standing(
            Mdr.model_construct(
                criteria=MerchantCriteria(row.criteria),
                valid_from=row.valid_from,
                valid_until=row.valid_until,
                free_up_to_rp=row.free_up_to_rp,
                rate_bp=row.rate_bp,
                regulation=row.source,
            ),
            row.valid_until,
        )
        for row in rows
    ]


async def _payouts(db: AsyncSession) -> list[Standing]:
    rows = await db.scalars(select(PayoutRuleRow).order_by(PayoutRuleRow.valid_from.desc()))
    return _until_the_next(
        Payout.model_construct(
            valid_from=row.valid_from,
            regulation=row.regulation,
            weekdays=tuple(row.weekdays),
            after_days=row.after_days,
        )
        for row in rows
    )


async def _matching(db: AsyncSession) -> list[Standing]:
    rows = await db.scalars(select(MatchingRule).order_by(MatchingRule.valid_from.desc()))
    return _until_the_next(
        Matching.model_construct(
            valid_from=row.valid_from,
            regulation=row.regulation,
            fee_rounding_rp=row.fee_rounding_rp,
            late_after_days=row.late_after_days,
            heard_within_days=row.heard_within_days,
            working_days=bool(row.working_days),
        )
        for row in rows
    )


def _until_the_next(rules: Iterable[Payout | Matching]) -> list[Standing]:
    """Of the newest first."""
    told: list[Standing] = []
    for rule in rules:
        until = told[-1].rule.begins - timedelta(days=1) if told else None
        told.append(Standing(rule, until))
    return told


async def _targets(db: AsyncSession) -> list[Standing]:
    rows = await db.execute(
        select(RevenueTarget, Zone.code)
        .outerjoin(Zone, Zone.id == RevenueTarget.zone_id)
        .order_by(RevenueTarget.id.desc())
    )
    told: list[Standing] = []
    newest: set[tuple[int, int | None, str | None]] = set()
    for row, zone in rows:
        of = (row.year, row.month, zone)
        rule = Target.model_construct(
            year=row.year,
            month=row.month,
            zone=zone,
            amount_rp=row.amount_rp,
            regulation=row.regulation,
        )
        last = date(row.year, row.month or 12, 28) + timedelta(days=4)
        told.append(Standing(rule, last.replace(day=1) - timedelta(days=1), of in newest))
        newest.add(of)
    return sorted(told, key=lambda one: one.rule.begins, reverse=True)


async def _pass_prices(db: AsyncSession) -> list[Standing]:
    rows = await db.scalars(
        select(PassPrice)
        .order_by(PassPrice.valid_from.desc(), PassPrice.code)
        .execution_options(populate_existing=True)
    )
    return [
        Standing(
            PassPricing.model_construct(
                valid_from=row.valid_from,
                valid_until=row.valid_until,
                regulation=row.regulation,
                code=row.code,
                whom=PassKind(row.kind),
                vehicle_class=VehicleClass(row.vehicle_class),
                months=row.months,
                zones=tuple(row.zones),
                price_rp=row.price_rp,
            ),
            row.valid_until,
        )
        for row in rows
    ]


async def _exemptions(db: AsyncSession) -> list[Standing]:
    rows = await db.scalars(
        select(Exemption)
        .order_by(Exemption.valid_from.desc(), Exemption.code)
        .execution_options(populate_existing=True)
    )
    return [
        Standing(
            FreeVehicles.model_construct(
                valid_from=row.valid_from,
                valid_until=row.valid_until,
                regulation=row.regulation,
                code=row.code,
                picture=Picture(row.picture),
                vehicle_class=VehicleClass(row.vehicle_class),
                label_id=row.label_id,
                label_en=row.label_en,
            ),
            row.valid_until,
        )
        for row in rows
    ]


@dataclass(frozen=True)
class Effects:
    """What a proposal changes: rules that begin, that end earlier, that hold no longer."""

    begins: Sequence[Standing] = ()
    ends: Sequence[Standing] = ()
    replaced: Sequence[Standing] = ()

    def __bool__(self) -> bool:
        return bool(self.begins or self.ends or self.replaced)


def compared(before: Sequence[Standing], after: Sequence[Standing]) -> Effects:
    known = {one.key: one for one in before}
    kept = [(known[one.key], one) for one in after if one.key in known]
    return Effects(
        begins=[one for one in after if one.key not in known],
        ends=[one for was, one in kept if was.until != one.until],
        replaced=[one for was, one in kept if one.replaced and not was.replaced],
    )
