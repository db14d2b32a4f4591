"""The facts integrators can be told, and what each says on the wire; docs/api.md describes them.

A published field keeps its name and meaning, and fields may be added. Any other change raises the
`version` of that fact.
"""

from datetime import date, datetime
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class Fact(BaseModel):
    """Something that happened. `type` is its name, `moment` the field that says when."""

    model_config = ConfigDict(frozen=True)
    type: ClassVar[str]
    moment: ClassVar[str]

    version: Literal[1] = 1

    @property
    def happened_at(self) -> datetime:
        happened: datetime = getattr(self, self.moment)
        return happened


class ChargePaid(Fact):
    """A charge was verifiably paid, in the right amount; `receipt` is its receipt's number.

    A pass has neither spot nor zone: both are empty, and `pass_serial` names it.
    """

    type = "charge.paid"
    moment = "paid_at"

    charge_id: UUID
    spot: str
    zone: str
    amount_rp: int
    paid_at: datetime
    business_day: date
    receipt: str
    pass_serial: str | None = None


class ChargeRefunded(Fact):
    """Money of a charge went back to its payer; `amount_rp` is that of this refund alone."""

    type = "charge.refunded"
    moment = "refunded_at"

    charge_id: UUID
    refund_id: UUID
    amount_rp: int
    refunded_at: datetime


class ChargeExpired(Fact):
    """A charge was not paid in time. Money that still comes is held for the office to decide."""

    type = "charge.expired"
    moment = "expired_at"

    charge_id: UUID
    amount_rp: int
    expired_at: datetime


class ReceiptIssued(Fact):
    """A receipt got its number; `url` is the page behind the QR code printed on it."""

    type = "receipt.issued"
    moment = "issued_at"

    number: str
    charge_id: UUID
    amount_rp: int
    issued_at: datetime
    url: str


class DayClosed(Fact):
    """Two officers closed a business day; it may have differences, with a note about them."""

    type = "day.closed"
    moment = "closed_at"

    day: date
    number: int = Field(description="1, and one more each time the day was reopened or declined.")
    collected_rp: int = Field(description="By QRIS, less what the acquirer gave back.")
    gross_rp: int
    mdr_rp: int
    net_rp: int
    bank_rp: int = Field(
        description="What came of the day's batches and slips of cash, and what nobody awaited. "
        "A batch or slip of several days counts whole on each of them."
    )
    closed_at: datetime


FACTS: dict[str, type[Fact]] = {
    fact.type: fact
    for fact in (ChargePaid, ChargeRefunded, ChargeExpired, ReceiptIssued, DayClosed)
}
