"""Who may act: officers, attendants, the handhelds they carry, and the shifts they work."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, LargeBinary, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from server.database import Base, new_id

Instant = DateTime(timezone=True)


class Role(StrEnum):
    """What an officer is there for; `identity.service.MAY` says what each may do."""

    BENDAHARA = "bendahara"
    VERIFIKATOR = "verifikator"
    AUDITOR = "auditor"
    ADMIN = "admin"


class Officer(Base):
    __tablename__ = "officers"
    __table_args__ = (
        CheckConstraint(
            f"role IN ({', '.join(repr(role.value) for role in Role)})",
            name="role",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    login: Mapped[str] = mapped_column(Text, unique=True)
    name: Mapped[str] = mapped_column(Text)
    role: Mapped[str] = mapped_column(Text)
    password_hash: Mapped[str] = mapped_column(Text)


class OfficerSignIn(Base):
    """A signed-in browser; the token itself is only in its cookie."""

    __tablename__ = "officer_sign_ins"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    officer_id: Mapped[UUID] = mapped_column(ForeignKey("officers.id"))
    signed_in_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant)


class Attendant(Base):
    __tablename__ = "attendants"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    code: Mapped[str] = mapped_column(Text, unique=True)
    name: Mapped[str] = mapped_column(Text)
    pin_hash: Mapped[str] = mapped_column(Text)
    failed_tries: Mapped[int] = mapped_column(default=0)
    locked_until: Mapped[datetime | None] = mapped_column(Instant)


class EnrolmentCode(Base):
    """A code that enrols exactly one device, once."""

    __tablename__ = "enrolment_codes"

    code_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(Instant)
    used_at: Mapped[datetime | None] = mapped_column(Instant)


class Device(Base):
    __tablename__ = "devices"
    __table_args__ = (CheckConstraint("state IN ('active', 'revoked')", name="state"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(Text)
    public_key: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    state: Mapped[str] = mapped_column(Text, default="active")
    enrolled_at: Mapped[datetime] = mapped_column(Instant)


class DeviceNonce(Base):
    """What a device must sign to open a shift; deleted by its first use."""

    __tablename__ = "device_nonces"

    nonce: Mapped[str] = mapped_column(Text, primary_key=True)
    device_id: Mapped[UUID] = mapped_column(ForeignKey("devices.id"))
    expires_at: Mapped[datetime] = mapped_column(Instant)


class Shift(Base):
    __tablename__ = "shifts"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    device_id: Mapped[UUID] = mapped_column(ForeignKey("devices.id"))
    attendant_id: Mapped[UUID] = mapped_column(ForeignKey("attendants.id"))
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    opened_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant)


class ApiKey(Base):
    """What a program signs in with; the key itself was shown once and is kept as a hash."""

    __tablename__ = "api_keys"
    __table_args__ = (CheckConstraint("cardinality(scopes) > 0", name="scopes"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(Text)
    key_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    created_by: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant)
    revoked_at: Mapped[datetime | None] = mapped_column(Instant)
