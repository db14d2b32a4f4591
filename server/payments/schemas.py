"""Wire shapes of charges and receipts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from domain.tariff import VehicleClass
from server.moments import Moment
from server.payments import proofs
from server.payments.books import Books
from server.payments.issuing import LONGEST_STAY_MINUTES
from server.payments.queries import ChargeView
from server.payments.receipts import Standing, Verdict
from server.payments.refund_queries import Returned

Plate = Annotated[str, StringConstraints(max_length=16, pattern=r"^[A-Za-z0-9 .-]*$")]


class RequestCharge(BaseModel):
    """`id` is made by the asker, so that asking again is harmless; or `Idempotency-Key` is."""

    model_config = ConfigDict(extra="forbid")

    id: UUID | None = None
    vehicle_class: VehicleClass
    plate: Plate | None = None
    minutes: int | None = Field(default=None, ge=1, le=LONGEST_STAY_MINUTES)


class RequestConsumerCharge(RequestCharge):
    """`consumer_qr` is the text of the barcode on the driver's phone (CPM)."""

    consumer_qr: str = Field(max_length=512, repr=False)


class RequestVoucherCharge(RequestCharge):
    """`voucher` is the text of its QR; `taken_at` is told where it was taken offline, and when."""

    voucher: str = Field(max_length=600, repr=False)
    taken_at: Moment | None = None


class CancelCharge(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class QuoteLine(BaseModel):
    label_id: str
    label_en: str
    quantity: int
    unit_rp: int
    amount_rp: int


class Refunded(BaseModel):
    """Money of a charge given back, or on its way; never by whom."""

    amount_rp: int
    state: str
    at: datetime
    receipt: dict[str, Any] | None
    """What its proof says, once the money is back."""

    @classmethod
    def of(cls, told: Returned) -> "Refunded":
        return cls(amount_rp=told.amount_rp, state=told.state, at=told.at, receipt=told.receipt)


class Charge(BaseModel):
    """A charge as every screen shows it. `code` is the same four digits on all of them.

    Where it is for a pass, `spot` and `place` are empty, and `zone` is where the pass is for all.
    """

    id: UUID
    spot: str
    place: str
    zone: str
    vehicle_class: VehicleClass
    amount_rp: int
    quote: list[QuoteLine]
    qris: str | None
    code: str
    state: str
    money_flag: str | None
    created_at: datetime
    expires_at: datetime
    paid_at: datetime | None
    page: str
    receipt: dict[str, Any] | None
    refunds: list[Refunded]
    proof: str | None
    """A signed text by which a handheld knows offline that it is paid."""
    for_pass: bool
    """Whether it is for a pass, and for no stay."""

    @classmethod
    def of(cls, view: ChargeView, books: Books, refunds: Sequence[Returned] = ()) -> "Charge":
        return cls(
            id=view.id,
            spot=view.spot_code,
            place=view.place,
            zone=view.zone_name,
            vehicle_class=VehicleClass(view.vehicle_class),
            amount_rp=view.amount_rp,
            quote=[QuoteLine(**line) for line in view.quote],
            qris=view.qris,
            code=f"{view.id.int % 10_000:04d}",
            state=view.state,
            money_flag=view.money_flag,
            created_at=view.created_at,
            expires_at=view.expires_at,
            paid_at=view.paid_at,
            page=f"{books.base_url}/c/{view.id}",
            receipt=view.receipt_facts,
            refunds=[Refunded.of(told) for told in refunds],
            proof=proofs.of_view(view, books),
            for_pass=view.pass_order_id is not None,
        )


class Receipt(BaseModel):
    """What a receipt says; `valid` because only genuine numbers are answered at all.

    Whether it still counts, `standing` tells: valid, over, void or refunded. Proofs of refunds have
    none. Plate, attendant and references are left empty here, as numbers can be guessed.
    """

    valid: bool = True
    facts: dict[str, Any]
    standing: Standing | None = None
    valid_until: datetime | None = None
    refunded_rp: int = 0

    @classmethod
    def of(cls, verdict: Verdict) -> "Receipt":
        return cls(
            facts=verdict.facts.to_json(),
            standing=verdict.standing,
            valid_until=verdict.valid_until,
            refunded_rp=verdict.refunded_rp,
        )
