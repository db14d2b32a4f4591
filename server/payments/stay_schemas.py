"""Wire shapes of stays."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from domain.parking import VoidReason
from domain.tariff import HIGHEST_RP, VehicleClass
from server.moments import Moment
from server.payments import schemas
from server.payments.issuing import LONGEST_STAY_MINUTES
from server.payments.stays import Account


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class StartStay(Body):
    """`told_at` is when a handheld recorded it that could not send it then."""

    id: UUID
    vehicle_class: VehicleClass
    plate: schemas.Plate | None = None
    told_at: Moment | None = None


class CashInHand(Body):
    """Cash taken while the server could not be asked, and the id of its charge."""

    id: UUID
    amount_rp: int = Field(gt=0, le=HIGHEST_RP)


class EndStay(Body):
    told_at: Moment | None = None
    cash: CashInHand | None = None


class ChargeStay(Body):
    """`minutes` extends a running stay; without them an ended one is charged what it owes."""

    id: UUID
    minutes: int | None = Field(default=None, ge=1, le=LONGEST_STAY_MINUTES)


class ChargeStayConsumer(ChargeStay):
    """`consumer_qr` is the text of the barcode on the driver's phone (CPM)."""

    consumer_qr: str = Field(max_length=512, repr=False)


class ChargeStayVoucher(ChargeStay):
    """`voucher` is the text of its QR; `taken_at` is told where it was taken offline, and when.

    `spot` and `vehicle_class` are read where the stay is not known here: what was taken offline for
    it is kept as a case of that place.
    """

    voucher: str = Field(max_length=600, repr=False)
    taken_at: Moment | None = None
    spot: str | None = Field(default=None, max_length=16, pattern=r"^[A-Za-z0-9-]+$")
    vehicle_class: VehicleClass | None = None


class VoidStay(Body):
    reason: VoidReason


class Stay(BaseModel):
    """A stay as every screen shows it; amounts are those of the moment it was asked about.

    `waiting_rp` is asked for by a charge that nobody has paid yet; `owed_rp` is beyond it.
    """

    id: UUID
    spot: str
    place: str
    zone: str
    vehicle_class: VehicleClass
    plate: str | None
    state: str
    started_at: datetime
    ends_at: datetime | None
    ended_at: datetime | None
    over_time: bool
    amount_rp: int
    paid_rp: int
    waiting_rp: int
    owed_rp: int
    quote: list[schemas.QuoteLine]
    void_reason: VoidReason | None
    charges: list[schemas.Charge]

    @classmethod
    def of(cls, account: Account, charges: Sequence[schemas.Charge], now: datetime) -> "Stay":
        row, owed = account.row, account.owed(now)
        whole = account.whole(row.ended_at or now)
        return cls(
            id=row.id,
            spot=account.place.code,
            place=account.place.place,
            zone=account.place.zone_name,
            vehicle_class=account.vehicle_class,
            plate=row.plate_masked,
            state=row.state,
            started_at=row.started_at,
            ends_at=row.ends_at,
            ended_at=row.ended_at,
            over_time=account.is_over_time(now),
            amount_rp=whole.amount_rp,
            paid_rp=account.paid_rp,
            waiting_rp=account.waiting.amount_rp if account.waiting else 0,
            owed_rp=0 if account.void or row.state == "voided" else owed.amount_rp,
            quote=[
                schemas.QuoteLine.model_validate(line, from_attributes=True) for line in whole.lines
            ],
            void_reason=VoidReason(account.void.reason) if account.void else None,
            charges=list(charges),
        )
