"""Who may act: officers, attendants, the handhelds they carry, and the shifts they work."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    LargeBinary,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from domain.device import DeviceState
from server.database import Base, Stamped, new_id
from server.identity.states import AttendantState

Instant = DateTime(timezone=True)


class Role(StrEnum):
    """What an officer is there for; `identity.service.MAY` says what each may do."""

    BENDAHARA = "bendahara"
    VERIFIKATOR = "verifikator"
    AUDITOR = "auditor"
    ADMIN = "admin"
    KOORDINATOR = "koordinator"
    PENGAWAS = "pengawas"


ROOT = UUID(int=0)
"""The unit that is the whole regency: whoever and whatever has no other is of it."""
_OF_ROOT = text(f"'{ROOT}'")


class Unit(Base):
    """A part of the regency's office, as a UPT or a district, or what an operator runs for it.

    The units are one tree under `ROOT`, of five levels at most: a trigger refuses anything else.
    """

    __tablename__ = "units"
    __table_args__ = (
        CheckConstraint(f"(parent_id IS NULL) = (id = '{ROOT}')", name="root"),
        CheckConstraint("code ~ '^[A-Z0-9][A-Z0-9-]{1,19}$'", name="code"),
        CheckConstraint("(operator IS NULL) = (contract IS NULL)", name="operator"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("units.id"), index=True)
    code: Mapped[str] = mapped_column(Text, unique=True)
    name: Mapped[str] = mapped_column(Text)
    operator: Mapped[str | None] = mapped_column(Text)
    contract: Mapped[str | None] = mapped_column(Text)


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
    password_hash: Mapped[str | None] = mapped_column(Text)
    switched_off_at: Mapped[datetime | None] = mapped_column(Instant)
    portal_account: Mapped[str | None] = mapped_column(Text, unique=True)
    unit_id: Mapped[UUID] = mapped_column(ForeignKey("units.id"), server_default=_OF_ROOT)


class OfficerSignIn(Base):
    """A signed-in browser; the token itself is only in its cookie.

    `strong` once a second factor was shown, `confirmed_at` when the person last showed anew who
    they are.
    """

    __tablename__ = "officer_sign_ins"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    id: Mapped[UUID] = mapped_column(unique=True, default=new_id)
    officer_id: Mapped[UUID] = mapped_column(ForeignKey("officers.id"), index=True)
    signed_in_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant)
    seen_at: Mapped[datetime] = mapped_column(Instant)
    confirmed_at: Mapped[datetime | None] = mapped_column(Instant)
    method: Mapped[str] = mapped_column(Text)
    strong: Mapped[bool]
    address: Mapped[str] = mapped_column(Text)
    browser: Mapped[str] = mapped_column(Text)


class SignInTries(Base):
    """Failed tries of one login or one client address, as a digest: what is typed may be secret."""

    __tablename__ = "sign_in_tries"

    asker: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    tries: Mapped[int]
    last_at: Mapped[datetime] = mapped_column(Instant, index=True)
    locked_until: Mapped[datetime | None] = mapped_column(Instant)


class OfficerTotp(Base):
    """What an authenticator app shares with us, sealed; it counts once a code of it was shown.

    `last_step` is the time step of the newest code taken: that one and those before are used up.
    """

    __tablename__ = "officer_totps"

    officer_id: Mapped[UUID] = mapped_column(ForeignKey("officers.id"), primary_key=True)
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    made_at: Mapped[datetime] = mapped_column(Instant)
    confirmed_at: Mapped[datetime | None] = mapped_column(Instant)
    last_step: Mapped[int] = mapped_column(BigInteger, default=0)


class OfficerRecoveryCode(Base):
    """Takes the place of the authenticator app, once."""

    __tablename__ = "officer_recovery_codes"

    code_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    officer_id: Mapped[UUID] = mapped_column(ForeignKey("officers.id"), index=True)
    made_at: Mapped[datetime] = mapped_column(Instant)
    used_at: Mapped[datetime | None] = mapped_column(Instant)


class OfficerPasskey(Base):
    """The public half of a key in something of the officer's; the key itself never leaves there."""

    __tablename__ = "officer_passkeys"

    credential_id: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    officer_id: Mapped[UUID] = mapped_column(ForeignKey("officers.id"), index=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    sign_count: Mapped[int] = mapped_column(BigInteger)
    name: Mapped[str] = mapped_column(Text)
    added_at: Mapped[datetime] = mapped_column(Instant)
    last_used_at: Mapped[datetime | None] = mapped_column(Instant)


class PasskeyChallenge(Base):
    """What a passkey is to sign; deleted by its first answer."""

    __tablename__ = "passkey_challenges"

    challenge: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    officer_id: Mapped[UUID | None] = mapped_column(ForeignKey("officers.id"))
    expires_at: Mapped[datetime] = mapped_column(Instant)


class SignOnAttempt(Base):
    """A browser on its way to the city's portal and back; deleted by its return."""

    __tablename__ = "sign_on_attempts"

    state_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    nonce: Mapped[str] = mapped_column(Text)
    verifier_secret: Mapped[str] = mapped_column(Text)
    began_at: Mapped[datetime] = mapped_column(Instant)
    sign_in_id: Mapped[UUID | None]


class OfficerRequest(Base):
    """That an officer be active in a role, let in anew on a `reset`: one asks, another decides."""

    __tablename__ = "officer_requests"
    __table_args__ = (
        CheckConstraint(
            f"role IN ({', '.join(repr(role.value) for role in Role)})",
            name="role",
        ),
        CheckConstraint("proposed_by <> decided_by", name="maker_checker"),
        CheckConstraint("officer_id <> decided_by", name="own_rights"),
        CheckConstraint("num_nulls(decided_by, decided_at, approved) IN (0, 3)", name="decided"),
        Index(
            "uq_officer_requests_open",
            "officer_id",
            unique=True,
            postgresql_where=text("decided_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    officer_id: Mapped[UUID] = mapped_column(ForeignKey("officers.id"), index=True)
    role: Mapped[str] = mapped_column(Text)
    reset: Mapped[bool]
    portal_account: Mapped[str | None] = mapped_column(Text)
    unit_id: Mapped[UUID] = mapped_column(ForeignKey("units.id"), server_default=_OF_ROOT)
    proposed_by: Mapped[UUID] = mapped_column(ForeignKey("officers.id"))
    proposed_at: Mapped[datetime] = mapped_column(Instant)
    why: Mapped[str] = mapped_column(Text)
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("officers.id"))
    decided_at: Mapped[datetime | None] = mapped_column(Instant)
    approved: Mapped[bool | None]


class OfficerSetupCode(Base):
    """Lets an officer choose the first password, once; `issued_by` nobody: the operator."""

    __tablename__ = "officer_setup_codes"

    code_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    officer_id: Mapped[UUID] = mapped_column(ForeignKey("officers.id"), index=True)
    issued_by: Mapped[UUID | None] = mapped_column(ForeignKey("officers.id"))
    issued_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant)


class OfficerChange(Base):
    """Whatever changed an officer's access, or tried to: when, what, by whom. Insert-only."""

    __tablename__ = "officer_changes"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    officer_id: Mapped[UUID] = mapped_column(ForeignKey("officers.id"), index=True)
    changed_at: Mapped[datetime] = mapped_column(Instant)
    act: Mapped[str] = mapped_column(Text)
    who: Mapped[str] = mapped_column(Text)
    why: Mapped[str] = mapped_column(Text)


class Attendant(Base):
    """Of the NIK only a keyed digest, which finds a person again, and its last four digits.

    `sk_…` is the letter of assignment; without `pin_hash` nobody signs in.
    """

    __tablename__ = "attendants"
    __table_args__ = (
        CheckConstraint(
            f"state IN ({', '.join(repr(state.value) for state in AttendantState)})", name="state"
        ),
        CheckConstraint("num_nulls(nik_digest, nik_ending) IN (0, 2)", name="nik"),
        CheckConstraint(
            "num_nulls(sk_number, sk_from) IN (0, 2) AND (sk_until IS NULL OR sk_until >= sk_from)",
            name="sk",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    code: Mapped[str] = mapped_column(Text, unique=True)
    name: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text, default=AttendantState.ACTIVE.value)
    nik_digest: Mapped[bytes | None] = mapped_column(LargeBinary, unique=True)
    nik_ending: Mapped[str | None] = mapped_column(Text)
    sk_number: Mapped[str | None] = mapped_column(Text)
    sk_from: Mapped[date | None]
    sk_until: Mapped[date | None]
    pin_hash: Mapped[str | None] = mapped_column(Text)
    failed_tries: Mapped[int] = mapped_column(default=0)
    locked_until: Mapped[datetime | None] = mapped_column(Instant)
    unit_id: Mapped[UUID] = mapped_column(ForeignKey("units.id"), server_default=_OF_ROOT)


class AttendantRequest(Base):
    """That an attendant may work, for the first time or again: one asks, another decides.

    With a name it asks that who works be called so instead, and have the NIK, if one is told.
    """

    __tablename__ = "attendant_requests"
    __table_args__ = (
        CheckConstraint("proposed_by <> decided_by", name="maker_checker"),
        CheckConstraint("num_nulls(decided_by, decided_at, approved) IN (0, 3)", name="decided"),
        CheckConstraint(
            "num_nulls(nik_digest, nik_ending) IN (0, 2)"
            " AND (name IS NOT NULL OR nik_digest IS NULL)",
            name="person",
        ),
        Index(
            "uq_attendant_requests_open",
            "attendant_id",
            unique=True,
            postgresql_where=text("decided_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    attendant_id: Mapped[UUID] = mapped_column(ForeignKey("attendants.id"), index=True)
    proposed_by: Mapped[UUID] = mapped_column(ForeignKey("officers.id"))
    proposed_at: Mapped[datetime] = mapped_column(Instant)
    why: Mapped[str] = mapped_column(Text)
    name: Mapped[str | None] = mapped_column(Text)
    nik_digest: Mapped[bytes | None] = mapped_column(LargeBinary)
    nik_ending: Mapped[str | None] = mapped_column(Text)
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("officers.id"))
    decided_at: Mapped[datetime | None] = mapped_column(Instant)
    approved: Mapped[bool | None]


class AttendantChange(Base):
    """Whatever changed about an attendant: when, what, by whom, why. Insert-only."""

    __tablename__ = "attendant_changes"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    attendant_id: Mapped[UUID] = mapped_column(ForeignKey("attendants.id"), index=True)
    changed_at: Mapped[datetime] = mapped_column(Instant)
    act: Mapped[str] = mapped_column(Text)
    who: Mapped[str] = mapped_column(Text)
    why: Mapped[str] = mapped_column(Text)


class AttendantCard(Base):
    """A card (KTA) that the office printed; the card itself is the office's signature."""

    __tablename__ = "attendant_cards"
    __table_args__ = (CheckConstraint("(revoked_at IS NULL) = (why IS NULL)", name="revoked"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    attendant_id: Mapped[UUID] = mapped_column(ForeignKey("attendants.id"), index=True)
    issued_at: Mapped[datetime] = mapped_column(Instant)
    valid_until: Mapped[date]
    revoked_at: Mapped[datetime | None] = mapped_column(Instant)
    why: Mapped[str | None] = mapped_column(Text)


class EnrolmentCode(Base):
    """A code that registers exactly one key, once: of a new device, or of `device_id` anew."""

    __tablename__ = "enrolment_codes"

    code_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    device_id: Mapped[UUID | None] = mapped_column(ForeignKey("devices.id"))
    issued_by: Mapped[UUID] = mapped_column(ForeignKey("officers.id"))
    issued_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant)
    used_at: Mapped[datetime | None] = mapped_column(Instant)


class Device(Base):
    """A handheld. `enrolled_by` made the code of its newest key, another officer approves it."""

    __tablename__ = "devices"
    __table_args__ = (
        CheckConstraint(
            f"state IN ({', '.join(repr(state.value) for state in DeviceState)})", name="state"
        ),
        CheckConstraint("enrolled_by <> approved_by", name="maker_checker"),
        CheckConstraint(
            "CASE state WHEN 'revoked' THEN true"
            " WHEN 'pending' THEN enrolled_by IS NOT NULL AND approved_by IS NULL"
            " ELSE num_nulls(enrolled_by, approved_by) = 0 END",
            name="approved",
        ),
        CheckConstraint(
            "wiped_at IS NULL OR (wipe_asked_at IS NOT NULL AND state = 'revoked')", name="wiped"
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    enrolled_at: Mapped[datetime] = mapped_column(Instant)
    enrolled_by: Mapped[UUID | None] = mapped_column(ForeignKey("officers.id"))
    approved_by: Mapped[UUID | None] = mapped_column(ForeignKey("officers.id"))
    wipe_asked_at: Mapped[datetime | None] = mapped_column(Instant)
    wiped_at: Mapped[datetime | None] = mapped_column(Instant)


class DeviceKey(Base):
    """A key that a device registered; the highest number is the one it uses. Insert-only."""

    __tablename__ = "device_keys"

    device_id: Mapped[UUID] = mapped_column(ForeignKey("devices.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    code_hash: Mapped[bytes | None] = mapped_column(
        ForeignKey("enrolment_codes.code_hash"), unique=True
    )
    registered_at: Mapped[datetime] = mapped_column(Instant)


class DeviceChange(Base):
    """Every change of a device's state: when, from what to what, by whom, and why. Insert-only."""

    __tablename__ = "device_changes"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    device_id: Mapped[UUID] = mapped_column(ForeignKey("devices.id"), index=True)
    changed_at: Mapped[datetime] = mapped_column(Instant)
    state_before: Mapped[str] = mapped_column(Text)
    state_after: Mapped[str] = mapped_column(Text)
    who: Mapped[str] = mapped_column(Text)
    why: Mapped[str] = mapped_column(Text)


class DeviceReport(Base):
    """What a device last told of itself; what it did not tell is null."""

    __tablename__ = "device_reports"

    device_id: Mapped[UUID] = mapped_column(ForeignKey("devices.id"), primary_key=True)
    reported_at: Mapped[datetime] = mapped_column(Instant)
    version: Mapped[str | None] = mapped_column(Text)
    battery_percent: Mapped[int | None]
    charging: Mapped[bool | None]
    signal_dbm: Mapped[int | None]
    storage_free_mb: Mapped[int | None]
    clock_offset_s: Mapped[int | None] = mapped_column(BigInteger)
    unsynced_count: Mapped[int | None]
    oldest_unsynced_s: Mapped[int | None] = mapped_column(BigInteger)
    quarantined_count: Mapped[int | None]


class SpotLink(Base):
    """How well handhelds heard the server at a spot on one UTC day, of all of them together.

    The code is the device's word and no foreign key: a spot taken off the list must not cost a
    report. `answer_ms` sums the median times of the pulses that were answered.
    """

    __tablename__ = "spot_links"
    __table_args__ = (CheckConstraint("lost BETWEEN 0 AND pulses", name="lost"),)

    spot_code: Mapped[str] = mapped_column(Text, primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    pulses: Mapped[int] = mapped_column(BigInteger)
    lost: Mapped[int] = mapped_column(BigInteger)
    answer_ms: Mapped[int] = mapped_column(BigInteger)


class DeviceNonce(Base):
    """What a device must sign to open a shift; deleted by its first use."""

    __tablename__ = "device_nonces"

    nonce: Mapped[str] = mapped_column(Text, primary_key=True)
    device_id: Mapped[UUID] = mapped_column(ForeignKey("devices.id"))
    expires_at: Mapped[datetime] = mapped_column(Instant)


class UsedNonce(Base):
    """A nonce of a signed request, as a digest with its device. Unlogged: a crash empties it."""

    __tablename__ = "used_nonces"
    __table_args__ = ({"prefixes": ["UNLOGGED"]},)

    digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    signed_at: Mapped[datetime] = mapped_column(Instant, index=True)


class Shift(Stamped, Base):
    __tablename__ = "shifts"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    device_id: Mapped[UUID] = mapped_column(ForeignKey("devices.id"))
    attendant_id: Mapped[UUID] = mapped_column(ForeignKey("attendants.id"), index=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    opened_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant)


class ShiftClosing(Stamped, Base):
    """That a shift ended: what was counted against the cash its books say. Insert-only.

    Without a count an officer ended it: `forced_by` and `why`. `shown_rp` is what the handheld had
    recorded, `event_seq` the place of the count in its chain.
    """

    __tablename__ = "shift_closings"
    __table_args__ = (
        CheckConstraint("counted_rp >= 0 AND expected_rp >= 0", name="amounts"),
        CheckConstraint(
            "CASE WHEN forced_by IS NULL THEN num_nulls(counted_rp, shown_rp, event_seq) = 0"
            " ELSE counted_rp IS NULL AND why IS NOT NULL END",
            name="counted_or_forced",
        ),
    )

    shift_id: Mapped[UUID] = mapped_column(ForeignKey("shifts.id"), primary_key=True)
    closed_at: Mapped[datetime] = mapped_column(Instant)
    expected_rp: Mapped[int] = mapped_column(BigInteger)
    counted_rp: Mapped[int | None] = mapped_column(BigInteger)
    shown_rp: Mapped[int | None] = mapped_column(BigInteger)
    event_seq: Mapped[int | None] = mapped_column(BigInteger)
    forced_by: Mapped[UUID | None] = mapped_column(ForeignKey("officers.id"))
    why: Mapped[str | None] = mapped_column(Text)


class ShiftDifference(Base):
    """A count that was not what the books say: its owner explains it, and no money moves by it.

    Where the count agrees, `difference_rp` is by what the handheld's own records do not.
    """

    __tablename__ = "shift_differences"
    __table_args__ = (
        CheckConstraint("difference_rp <> 0", name="difference"),
        CheckConstraint(
            "num_nulls(explained_by, explained_at, explanation) IN (0, 3)", name="explained"
        ),
    )

    shift_id: Mapped[UUID] = mapped_column(ForeignKey("shift_closings.shift_id"), primary_key=True)
    difference_rp: Mapped[int] = mapped_column(BigInteger)
    owner: Mapped[str] = mapped_column(Text)
    opened_at: Mapped[datetime] = mapped_column(Instant)
    explained_by: Mapped[UUID | None] = mapped_column(ForeignKey("officers.id"))
    explained_at: Mapped[datetime | None] = mapped_column(Instant)
    explanation: Mapped[str | None] = mapped_column(Text)


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
