"""What each kind of rule says, when it begins, and how it is put in force."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, ClassVar, Literal, Self, TypeAlias
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    model_validator,
)
from sqlalchemy.ext.asyncio import AsyncSession

from domain.covered import PassKind, Picture
from domain.mdr import MdrRule, MerchantCriteria
from domain.money import format_rp
from domain.payout import LONGEST_WAIT_DAYS, PayoutRule
from domain.shares import ShareLeg, ShareRule
from domain.tariff import VehicleClass
from server.errors import Problem
from server.ledger import service as ledger
from server.moments import day_text
from server.parking import covered, pass_orders
from server.parking.covered_models import Exemption, PassPrice
from server.reconciliation import rules as matching
from server.reconciliation.matching import LARGEST, Tolerances
from server.reports import targets
from server.reports.table import Said
from server.spots import service as spots

BP = Annotated[int, Field(ge=0, le=10_000)]
Rupiah = Annotated[int, Field(ge=0, le=targets.MOST_RP)]
Day = Annotated[date, Field(ge=date(2000, 1, 1), le=date(2999, 12, 31))]
WEEKDAYS = (
    Said("Senin", "Monday"),
    Said("Selasa", "Tuesday"),
    Said("Rabu", "Wednesday"),
    Said("Kamis", "Thursday"),
    Said("Jumat", "Friday"),
    Said("Sabtu", "Saturday"),
    Said("Minggu", "Sunday"),
)


def _printable(value: str) -> str:
    if not value.isprintable():
        raise ValueError("holds a character that cannot be printed")
    return value


def _each_once(codes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(set(codes)))


Line = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=200), AfterValidator(_printable)
]
Words = Annotated[Line, StringConstraints(min_length=1)]
Code = Annotated[Words, StringConstraints(max_length=40)]
"""As whoever set up the regency wrote them; those that stand are superseded by the same."""


class RuleOverlaps(Problem):
    slug = "rule-overlaps"
    status = 409
    title_id = "Sudah ada aturan lain yang berlaku pada masa itu atau mulai pada hari itu"
    title_en = "Another rule is in force in that time, or begins on that day, already"


class RuleDaysPosted(Problem):
    slug = "rule-days-posted"
    status = 409
    title_id = "Pembayaran pada atau sesudah hari itu sudah dibukukan dengan bagi hasil yang lama"
    title_en = "Payments of that day or later are posted already by the shares before"


@dataclass(frozen=True)
class Act:
    """By whom, when, and by which proposal a rule is put in force."""

    proposal_id: UUID
    who: str
    today: date
    now: datetime


class _Rule(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    ahead: ClassVar[bool] = True
    """Whether it begins tomorrow at the earliest."""


class _Dated(_Rule):
    valid_from: Day
    regulation: Words

    @property
    def begins(self) -> date:
        return self.valid_from


class _Ending(_Dated):
    valid_until: Day | None = None

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.valid_until is not None and self.valid_until < self.valid_from:
            raise ValueError(f"{self.valid_until} is before {self.valid_from}")
        return self


class Shares(_Ending):
    kind: Literal["share"] = "share"
    zone: str | None = None
    attendant_bp: BP
    third_party_bp: BP = 0
    third_party: Line = ""
    remainder_to: ShareLeg = ShareLeg.REGENCY

    @model_validator(mode="after")
    def _whole(self) -> Self:
        self.rule()
        return self

    def rule(self) -> ShareRule:
        return ShareRule(
            self.attendant_bp, self.third_party_bp, self.third_party, self.remainder_to
        )

    def said(self, zones: Mapping[str, str]) -> Said:
        where = of_zone(self.zone, zones)
        regency = percent(10_000 - self.attendant_bp - self.third_party_bp)
        third = f", {self.third_party} {percent(self.third_party_bp)}" if self.third_party else ""
        legs = {
            ShareLeg.REGENCY: Said("daerah", "the regency"),
            ShareLeg.ATTENDANT: Said("juru parkir", "the attendant"),
            ShareLeg.THIRD_PARTY: Said(self.third_party, self.third_party),
        }
        rest = legs[self.remainder_to]
        return Said(
            f"Bagi hasil {where.bahasa}: juru parkir {percent(self.attendant_bp)}{third}, daerah"
            f" {regency}; sisa pembulatan ke {rest.bahasa}",
            f"Shares, {where.english}: attendant {percent(self.attendant_bp)}{third}, regency"
            f" {regency}; fractions go to {rest.english}",
        )

    async def apply(self, db: AsyncSession, act: Act) -> None:
        try:
            await ledger.add_share_rule(
                db,
                self.rule(),
                zone_id=None if self.zone is None else await spots.zone_id(db, self.zone),
                valid_from=self.valid_from,
                valid_until=self.valid_until,
                regulation=self.regulation,
            )
        except ledger.RuleTooLate as exc:
            raise RuleDaysPosted(str(exc)) from exc


class Mdr(_Ending):
    """Rates are published with a day of their own, which may have passed."""

    ahead = False
    kind: Literal["mdr"] = "mdr"
    criteria: MerchantCriteria
    free_up_to_rp: Rupiah = 0
    rate_bp: BP

    def said(self, zones: Mapping[str, str]) -> Said:
        rate, free = percent(self.rate_bp), format_rp(self.free_up_to_rp)
        return Said(
            f"MDR {self.criteria}: {rate}"
            + (f", gratis sampai {free}" if self.free_up_to_rp else ""),
            f"MDR {self.criteria}: {rate}" + (f", free up to {free}" if self.free_up_to_rp else ""),
        )

    async def apply(self, db: AsyncSession, act: Act) -> None:
        rule = MdrRule(
            self.criteria, self.valid_from, self.valid_until, self.free_up_to_rp, self.rate_bp
        )
        await ledger.add_mdr_rule(db, rule, self.regulation)


class Payout(_Dated):
    kind: Literal["payout"] = "payout"
    weekdays: Annotated[tuple[Annotated[int, Field(ge=1, le=7)], ...], Field(min_length=1)]
    after_days: Annotated[int, Field(ge=0, le=LONGEST_WAIT_DAYS)]

    def said(self, zones: Mapping[str, str]) -> Said:
        days = [WEEKDAYS[day - 1] for day in sorted(set(self.weekdays))]
        return Said(
            f"Bagi hasil dibayarkan {', '.join(day.bahasa for day in days)}, paling cepat"
            f" {self.after_days} hari sesudah diperoleh",
            f"Shares are paid out on {', '.join(day.english for day in days)}, at the earliest"
            f" {self.after_days} days after they were earned",
        )

    async def apply(self, db: AsyncSession, act: Act) -> None:
        rule = PayoutRule(tuple(sorted(set(self.weekdays))), self.after_days)
        if not await ledger.add_payout_rule(
            db, rule, valid_from=self.valid_from, regulation=self.regulation
        ):
            raise RuleOverlaps


class Matching(_Dated):
    kind: Literal["matching"] = "matching"
    fee_rounding_rp: Annotated[int, Field(ge=0, le=LARGEST["fee_rounding_rp"])]
    late_after_days: Annotated[int, Field(ge=0, le=LARGEST["late_after_days"])]
    heard_within_days: Annotated[int, Field(ge=0, le=LARGEST["heard_within_days"])]
    working_days: bool = False

    def said(self, zones: Mapping[str, str]) -> Said:
        off = format_rp(self.fee_rounding_rp)
        hari, days = ("hari kerja", "working days") if self.working_days else ("hari", "days")
        return Said(
            f"Pencocokan: MDR boleh berbeda {off}; pencairan dan uangnya di bank ditunggu"
            f" {self.late_after_days} {hari}; tanpa jam, hari pembayaran dan barisnya boleh"
            f" berjarak {self.heard_within_days} hari",
            f"Matching: a fee may be off by {off}; a settlement, and its money at the bank, is"
            f" awaited for {self.late_after_days} {days}; without a time, the days of a payment"
            f" and its line may be {self.heard_within_days} apart",
        )

    async def apply(self, db: AsyncSession, act: Act) -> None:
        rule = Tolerances(
            self.fee_rounding_rp, self.late_after_days, self.heard_within_days, self.working_days
        )
        if not await matching.add(db, rule, valid_from=self.valid_from, regulation=self.regulation):
            raise RuleOverlaps


class Target(_Rule):
    ahead = False
    kind: Literal["target"] = "target"
    year: Annotated[int, Field(ge=2000, le=2999)]
    month: Annotated[int, Field(ge=1, le=12)] | None = None
    zone: str | None = None
    amount_rp: Rupiah
    regulation: Words

    @property
    def begins(self) -> date:
        return date(self.year, self.month or 1, 1)

    def said(self, zones: Mapping[str, str]) -> Said:
        where = of_zone(self.zone, zones)
        when = f"{self.year}-{self.month:02}" if self.month else f"{self.year}"
        amount = format_rp(self.amount_rp)
        return Said(
            f"Target {where.bahasa} {when}: {amount}", f"Target, {where.english} {when}: {amount}"
        )

    async def apply(self, db: AsyncSession, act: Act) -> None:
        await targets.set_target(
            db,
            year=self.year,
            month=self.month,
            zone=self.zone,
            amount_rp=self.amount_rp,
            regulation=self.regulation,
            who=act.who,
            now=act.now,
        )


class PassPricing(_Ending):
    kind: Literal["pass-price"] = "pass-price"
    code: Code
    whom: PassKind = PassKind.ORDINARY
    vehicle_class: VehicleClass
    months: Annotated[int, Field(ge=1, le=12)]
    zones: Annotated[tuple[str, ...], AfterValidator(_each_once)] = ()
    price_rp: Rupiah

    @model_validator(mode="after")
    def _priced(self) -> Self:
        if not self.price_rp and self.whom is PassKind.ORDINARY:
            raise ValueError("only passes of residents and disabled drivers may be free")
        return self

    def row(self) -> PassPrice:
        return PassPrice(
            code=self.code,
            kind=self.whom.value,
            vehicle_class=self.vehicle_class.value,
            months=self.months,
            zones=list(self.zones),
            price_rp=self.price_rp,
            regulation=self.regulation,
            valid_from=self.valid_from,
            valid_until=self.valid_until,
        )

    def said(self, zones: Mapping[str, str]) -> Said:
        line = pass_orders.line(self.row())
        places = [of_zone(zone, zones) for zone in self.zones or (None,)]
        price = format_rp(self.price_rp)
        return Said(
            f"{line.label_id}, {', '.join(place.bahasa for place in places)}: {price}",
            f"{line.label_en}, {', '.join(place.english for place in places)}: {price}",
        )

    async def apply(self, db: AsyncSession, act: Act) -> None:
        await pass_orders.set_price(db, self.row())


class FreeVehicles(_Ending):
    kind: Literal["exemption"] = "exemption"
    code: Code
    picture: Picture
    vehicle_class: VehicleClass
    label_id: Words
    label_en: Words

    def said(self, zones: Mapping[str, str]) -> Said:
        wheels = self.vehicle_class
        return Said(
            f"Parkir gratis: {self.label_id}, {wheels.label('id').lower()}",
            f"Parks free: {self.label_en}, {wheels.label('en').lower()}",
        )

    async def apply(self, db: AsyncSession, act: Act) -> None:
        for known in await covered.exemptions_from(db, self.valid_from):
            is_later = known.code == self.code and known.valid_from >= self.valid_from
            if is_later and known.valid_from <= (self.valid_until or known.valid_from):
                raise RuleOverlaps
        await covered.exempt(
            db,
            Exemption(
                code=self.code,
                picture=self.picture.value,
                vehicle_class=self.vehicle_class.value,
                label_id=self.label_id,
                label_en=self.label_en,
                regulation=self.regulation,
                valid_from=self.valid_from,
                valid_until=self.valid_until,
            ),
        )


class TariffBack(_Rule):
    kind: Literal["tariff-back"] = "tariff-back"
    zone: str
    valid_from: Day
    event: Line | None = None

    @property
    def begins(self) -> date:
        return self.valid_from

    def said(self, zones: Mapping[str, str]) -> Said:
        where = zones.get(self.zone, self.zone) + (f" ({self.event})" if self.event else "")
        first, in_english = (day_text(self.valid_from, language) for language in ("id", "en"))
        return Said(
            f"Tarif {where} yang mulai {first} ditarik kembali; yang sebelumnya tetap berlaku",
            f"The tariff of {where} that begins {in_english} is taken back; the one before it stays"
            " in force",
        )

    async def apply(self, db: AsyncSession, act: Act) -> None:
        of_zone = await spots.zone_id(db, self.zone)
        await spots.take_back(db, of_zone, self.valid_from, self.event, act.proposal_id)


Rule: TypeAlias = (
    Shares | Mdr | Payout | Matching | Target | PassPricing | FreeVehicles | TariffBack
)
RULE: TypeAdapter[Rule] = TypeAdapter(Annotated[Rule, Field(discriminator="kind")])


def percent(bp: int) -> str:
    """Basis points as people write them: 3550 is 35,5 %."""
    whole, part = divmod(bp, 100)
    return f"{whole},{part:02}".rstrip("0").rstrip(",") + "\N{NO-BREAK SPACE}%"


def of_zone(zone: str | None, zones: Mapping[str, str]) -> Said:
    name = zones.get(zone or "", zone or "")
    return Said(name, name) if zone else Said("seluruh kabupaten", "the whole regency")
