"""Wire shapes of enrolment and sign-in."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

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


class ReportDevice(BaseModel):
    version: str | None = Field(default=None, max_length=40)


class DeviceOrders(BaseModel):
    """Where the device stands, and whether it is to erase itself once nothing is unsent."""

    device_id: UUID
    state: DeviceState
    wipe: bool


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
