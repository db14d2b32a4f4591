"""Wire shapes of the lists. They hold no plate, and of people nothing at all."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from domain.payment import ChargeState
from domain.tariff import VehicleClass
from server.integrators.queries import ChangedCharge
from server.ledger.reports import AccountBalance
from server.payments.models import Receipt
from server.spots.models import Spot, Zone


class ListedCharge(BaseModel):
    """A charge as it is now; `changed_at` is when its state changed.

    One for a pass (`for_pass`) has neither spot nor zone: both are empty.
    """

    id: UUID
    spot: str
    zone: str
    vehicle_class: VehicleClass
    amount_rp: int
    state: ChargeState
    created_at: datetime
    expires_at: datetime
    paid_at: datetime | None
    receipt: str | None
    refunded_rp: int = Field(description="What went back of all that came for it.")
    changed_at: datetime
    for_pass: bool

    @classmethod
    def of(cls, row: ChangedCharge) -> "ListedCharge":
        charge = row.charge
        return cls(
            id=charge.id,
            spot=row.spot,
            zone=row.zone,
            vehicle_class=VehicleClass(row.vehicle_class),
            amount_rp=charge.amount_rp,
            state=ChargeState(charge.state),
            created_at=charge.created_at,
            expires_at=charge.expires_at,
            paid_at=charge.paid_at,
            receipt=row.receipt_number,
            refunded_rp=row.refunded_rp,
            changed_at=row.changed_at,
            for_pass=row.for_pass,
        )


class ListedReceipt(BaseModel):
    """A receipt; all it says is behind `url`."""

    number: str
    charge_id: UUID
    spot: str
    amount_rp: int
    paid_at: datetime
    issued_at: datetime
    url: str

    @classmethod
    def of(cls, row: Receipt) -> "ListedReceipt":
        return cls(
            number=row.number,
            charge_id=row.charge_id,
            spot=row.facts["spot_code"],
            amount_rp=row.facts["amount_rp"],
            paid_at=row.facts["paid_at"],
            issued_at=row.issued_at,
            url=row.facts["verify_url"],
        )


class ListedSpot(BaseModel):
    code: str
    zone: str
    zone_name: str
    place: str
    latitude: float
    longitude: float
    exclusive: bool = Field(description="Whether it holds one vehicle at a time.")

    @classmethod
    def of(cls, spot: Spot, zone: Zone) -> "ListedSpot":
        return cls(
            code=spot.code,
            zone=zone.code,
            zone_name=zone.name,
            place=spot.place,
            latitude=spot.latitude,
            longitude=spot.longitude,
            exclusive=spot.exclusive,
        )


class _Listed(BaseModel):
    next: str = Field(description="Give it as `cursor` for what comes after, now or later.")
    more: bool = Field(description="Whether something comes after already.")


class ChargeList(_Listed):
    items: list[ListedCharge]


class ReceiptList(_Listed):
    items: list[ListedReceipt]


class SpotList(_Listed):
    items: list[ListedSpot]


class Balance(BaseModel):
    """An account of the ledger; debit positive."""

    code: str
    name: str
    balance_rp: int


class TrialBalance(BaseModel):
    accounts: list[Balance]

    @classmethod
    def of(cls, accounts: list[AccountBalance]) -> "TrialBalance":
        return cls(accounts=[Balance(**vars(account)) for account in accounts])
