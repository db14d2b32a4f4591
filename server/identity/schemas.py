"""Wire shapes of enrolment and sign-in."""

from datetime import datetime
from typing import Self
from uuid import UUID

from pydantic import BaseModel, Field, model_validator

from domain.device import DeviceState


class EnrolDevice(BaseModel):
    enrolment_code: str = Field(max_length=100)
    public_key: str = Field(max_length=100)
    name: str = Field(min_length=1, max_length=80)
    device_id: UUID | None = None
    """The device that registers a new key; it has a code made for it."""


class EnrolledDevice(BaseModel):
    device_id: UUID
    state: DeviceState


class SpotHeard(BaseModel):
    """The pulses a device sent at one spot since its last report."""

    spot: str = Field(max_length=20)
    pulses: int = Field(ge=1, le=100_000)
    lost: int = Field(ge=0, le=100_000)
    median_ms: int | None = Field(default=None, ge=0, le=60_000)

    @model_validator(mode="after")
    def _counts_agree(self) -> Self:
        if self.lost > self.pulses or (self.lost < self.pulses) != (self.median_ms is not None):
            raise ValueError("lost is at most pulses, and only answers have a median_ms")
        return self


class ReportDevice(BaseModel):
    """Whatever the device cannot tell is left out."""

    version: str | None = Field(default=None, max_length=40)
    battery_percent: int | None = Field(default=None, ge=0, le=100)
    charging: bool | None = None
    signal_dbm: int | None = Field(default=None, ge=-150, le=0)
    storage_free_mb: int | None = Field(default=None, ge=0, le=2**31 - 1)
    clock_offset_s: int | None = Field(default=None, ge=-(2**40), le=2**40)
    unsynced_count: int | None = Field(default=None, ge=0, le=2**31 - 1)
    oldest_unsynced_s: int | None = Field(default=None, ge=0, le=2**40)
    quarantined_count: int | None = Field(default=None, ge=0, le=2**31 - 1)
    links: list[SpotHeard] = Field(default=[], max_length=20)


class DeviceOrders(BaseModel):
    """Where the device stands, and whether it is to erase itself once nothing is unsent."""

    device_id: UUID
    state: DeviceState
    wipe: bool
    stopped: str | None = Field(
        default=None,
        description="The code of an attendant who may not work any more, with a shift open here.",
    )


class Nonce(BaseModel):
    nonce: str


class OpenShift(BaseModel):
    id: UUID
    device_id: UUID
    attendant: str = Field(max_length=40)
    pin: str = Field(max_length=40)
    nonce: str = Field(max_length=100)
    signature: str = Field(max_length=200)


class AttendantName(BaseModel):
    code: str
    name: str


class OpenedShift(BaseModel):
    id: UUID
    token: str
    expires_at: datetime
    attendant: AttendantName
