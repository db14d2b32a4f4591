"""The acquirer's callback: verified over the raw bytes, recorded once, acknowledged after commit.

Whatever is refused leaves an audit row and posts nothing. Answers are in SNAP's form. Source: ASPI,
SNAP BI QR MPM service 52 (notify) and service 73 (token, for acquirers that sign symmetrically).
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from prometheus_client import Counter
from pydantic import SecretStr
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from server.announcements import Announcer
from server.database import Transactions, new_id
from server.payments import queries, service, signatures
from server.payments.acquirer import AcquirerProfile
from server.payments.books import Books
from server.payments.models import Charge, Notification
from server.payments.service import Arrival, ArrivedElsewhere
from server.payments.snap import AmountError, read_amount, read_time

log = structlog.get_logger()

NOTIFICATIONS = Counter("karcis_notify", "Acquirer notifications by outcome", ["outcome"])
MAX_BODY = 64 * 1024
MAX_HEADER = 2_048
TOKEN_LIFETIME = timedelta(minutes=15)
SUCCESS = "2005200"


@dataclass(frozen=True)
class AcquirerKeys:
    """What proves that a callback comes from our acquirer."""

    profile: AcquirerProfile
    public_key: RSAPublicKey
    merchant_id: str
    client_key: str
    client_secret: SecretStr
    clock_tolerance: timedelta


@dataclass(frozen=True)
class SnapAnswer:
    """An answer in SNAP's form; the HTTP status is the code's first three digits."""

    code: str
    message: str

    @property
    def status(self) -> int:
        return int(self.code[:3])

    @property
    def body(self) -> dict[str, str]:
        return {"responseCode": self.code, "responseMessage": self.message}


class Refused(Exception):
    """The callback is not accepted; nothing is posted."""

    def __init__(self, code: str, message: str, outcome: str) -> None:
        super().__init__(message)
        self.answer = SnapAnswer(code, message)
        self.outcome = outcome


@dataclass(frozen=True)
class Callback:
    """A notification as it arrived."""

    headers: Mapping[str, str]
    body: bytes

    def header(self, name: str) -> str:
        return self.headers.get(name, "")[:MAX_HEADER]

    @property
    def body_hash(self) -> bytes:
        return hashlib.sha256(self.body).digest()


async def receive(
    transactions: Transactions,
    announcer: Announcer,
    keys: AcquirerKeys,
    books: Books,
    callback: Callback,
    *,
    now: datetime,
) -> SnapAnswer:
    """Verify and record one notification. The answer is given only once its rows are committed."""
    try:
        verify(callback, keys, now)
        fields = _fields(callback.body)
        charge_id = await _post_once(transactions, keys, books, callback, fields, now)
    except Refused as refusal:
        await _audit_refusal(transactions, keys, books, callback, refusal, now)
        NOTIFICATIONS.labels(refusal.outcome).inc()
        return refusal.answer
    if charge_id is not None:
        announcer.announce(charge_id)
    NOTIFICATIONS.labels("posted" if charge_id else "repeat").inc()
    return SnapAnswer(SUCCESS, "Successful")


def verify(callback: Callback, keys: AcquirerKeys, now: datetime) -> None:
    """Refuse unless the acquirer signed exactly these bytes, just now."""
    if len(callback.body) > MAX_BODY:
        raise Refused("4005200", "Bad Request", "oversized")
    timestamp = callback.header("x-timestamp")
    sent_at = read_time(timestamp)
    if sent_at is None:
        raise Refused("4005201", "Invalid Field Format X-TIMESTAMP", "bad-timestamp")
    if abs(now - sent_at) > keys.clock_tolerance:
        raise Refused("4015200", "Unauthorized. Timestamp out of range", "stale")
    external_id = callback.header("x-external-id")
    if not (external_id.isascii() and external_id.isdigit() and len(external_id) <= 36):
        raise Refused("4005201", "Invalid Field Format X-EXTERNAL-ID", "bad-external-id")
    # Raw bytes first; then minified, because what some acquirers sign is not what they send.
    for body in (callback.body, signatures.minify(callback.body)):
        digest = signatures.body_digest(body, double_hex=keys.profile.double_hex_digest)
        if _signed(callback, keys, digest, timestamp, now):
            return
    raise Refused("4015200", "Unauthorized. Invalid Signature", "bad-signature")


def _signed(
    callback: Callback,
    keys: AcquirerKeys,
    digest: str,
    timestamp: str,
    now: datetime,
) -> bool:
    profile, signature = keys.profile, callback.header("x-signature")
    if profile.notify_signature == "asymmetric":
        text = signatures.asymmetric_text("POST", profile.notify_path, digest, timestamp)
        return signatures.verify_asymmetric(keys.public_key, text, signature, profile.encoding)
    token = callback.header("authorization").removeprefix("Bearer ")
    if not _token_valid(keys, token, now):
        raise Refused("4015201", "Invalid Token (B2B)", "bad-token")
    text = signatures.symmetric_text("POST", profile.notify_path, token, digest, timestamp)
    secret = keys.client_secret.get_secret_value()
    return signatures.verify_symmetric(secret, text, signature, profile.encoding)


@dataclass(frozen=True)
class Fields:
    """What a notification says, checked for form but not yet for truth."""

    acquirer_reference: str
    reference: str
    status: str
    amount_rp: int
    merchant_id: str | None
    rrn: str | None
    paid_at: datetime | None


def _fields(body: bytes) -> Fields:
    data = _object(body)
    extra = data.get("additionalInfo")
    extra = extra if isinstance(extra, dict) else {}
    try:
        amount_rp = read_amount(data.get("amount"))
    except AmountError as exc:
        raise Refused("4005201", "Invalid Field Format amount", "bad-amount") from exc
    return Fields(
        acquirer_reference=_required(data, "originalReferenceNo"),
        reference=_required(data, "originalPartnerReferenceNo"),
        status=_required(data, "latestTransactionStatus"),
        amount_rp=amount_rp,
        merchant_id=_optional(data, "merchantId") or _optional(extra, "merchantId"),
        rrn=_optional(extra, "rrn"),
        paid_at=read_time(extra.get("paidTime")),
    )


def _object(body: bytes, refusal_code: str = "4005200") -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name for name, _ in pairs}) != len(pairs):
            raise ValueError("a name occurs twice")
        return dict(pairs)

    try:
        data = json.loads(body, object_pairs_hook=unique)
    except (ValueError, RecursionError) as exc:
        raise Refused(refusal_code, "Bad Request", "not-json") from exc
    if not isinstance(data, dict):
        raise Refused(refusal_code, "Bad Request", "not-json")
    return data


def _required(data: dict[str, Any], name: str) -> str:
    value = _optional(data, name)
    if value is None:
        raise Refused("4005202", f"Missing Mandatory Field {name}", "missing-field")
    return value


def _optional(data: dict[str, Any], name: str) -> str | None:
    value = data.get(name)
    if value is None or value == "":
        return None
    # PostgreSQL stores no NUL, and no field of the standard is longer than 64.
    if not isinstance(value, str) or len(value) > 64 or not value.isprintable():
        raise Refused("4005201", f"Invalid Field Format {name}", "bad-field")
    return value


async def _post_once(
    transactions: Transactions,
    keys: AcquirerKeys,
    books: Books,
    callback: Callback,
    fields: Fields,
    now: datetime,
) -> UUID | None:
    try:
        return await _post(transactions, keys, books, callback, fields, now)
    except IntegrityError as exc:
        # The same X-EXTERNAL-ID or the same money came for another charge at this very moment.
        raise Refused("4095200", "Conflict", "conflict") from exc


async def _post(
    transactions: Transactions,
    keys: AcquirerKeys,
    books: Books,
    callback: Callback,
    fields: Fields,
    now: datetime,
) -> UUID | None:
    """Record a verified notification; the charge's id when it was news, None for a repeat."""
    acquirer = keys.profile.name
    async with transactions.begin() as db:
        charge = await queries.lock_charge(db, acquirer, fields.reference)
        used_for = await queries.accepted_notification(
            db, acquirer, books.day(now), callback.header("x-external-id")
        )
        if used_for is not None and used_for != callback.body_hash:
            raise Refused("4095200", "Conflict", "external-id-reused")
        charge = _matching(charge, fields, keys)
        if fields.status != "00":
            # Not a payment. What became of the charge is asked, not believed.
            charge.next_inquiry_at = now
            _keep(db, keys, books, callback, now, f"status-{fields.status}"[:40], charge.id)
            return None
        notification_id = new_id()
        outcome = "accepted" if used_for is None else "repeat"
        _keep(db, keys, books, callback, now, outcome, charge.id, notification_id)
        await db.flush()
        arrival = Arrival(
            acquirer_reference=fields.acquirer_reference,
            rrn=fields.rrn,
            amount_rp=fields.amount_rp,
            paid_at=fields.paid_at or now,
            notification_id=notification_id,
        )
        try:
            flag = await service.record_money(db, charge, arrival, books, now=now)
        except ArrivedElsewhere as exc:
            raise Doubtful(
                "4045218", "Inconsistent Request", "reference-reused", charge.id
            ) from exc
        return charge.id if flag is not None else None


def _matching(charge: Charge | None, fields: Fields, keys: AcquirerKeys) -> Charge:
    """The charge this notification is about, if what it says agrees with what we asked for."""
    if charge is None:
        raise Refused("4045201", "Transaction Not Found", "unknown-reference")
    if fields.merchant_id is not None and fields.merchant_id != keys.merchant_id:
        raise Refused("4045208", "Invalid Merchant", "other-merchant")
    if charge.acquirer_reference not in (None, fields.acquirer_reference):
        raise Doubtful("4045218", "Inconsistent Request", "other-reference", charge.id)
    if fields.amount_rp != charge.amount_rp:
        raise Doubtful("4045213", "Invalid Amount", "other-amount", charge.id)
    return charge


class Doubtful(Refused):
    """Signed, but it does not add up: refused here, and the acquirer is asked at once."""

    def __init__(self, code: str, message: str, outcome: str, charge_id: UUID) -> None:
        super().__init__(code, message, outcome)
        self.charge_id = charge_id


def _keep(
    db: AsyncSession,
    keys: AcquirerKeys,
    books: Books,
    callback: Callback,
    now: datetime,
    outcome: str,
    charge_id: UUID | None,
    notification_id: UUID | None = None,
) -> None:
    db.add(
        Notification(
            id=notification_id or new_id(),
            acquirer=keys.profile.name,
            day=books.day(now),
            external_id=callback.header("x-external-id"),
            received_at=now,
            outcome=outcome,
            response_code=SUCCESS,
            body_hash=callback.body_hash,
            body=callback.body,
            signature=callback.header("x-signature"),
            charge_id=charge_id,
        )
    )


async def _audit_refusal(
    transactions: Transactions,
    keys: AcquirerKeys,
    books: Books,
    callback: Callback,
    refusal: Refused,
    now: datetime,
) -> None:
    charge_id = refusal.charge_id if isinstance(refusal, Doubtful) else None
    async with transactions.begin() as db:
        db.add(
            Notification(
                acquirer=keys.profile.name,
                day=books.day(now),
                external_id="".join(c for c in callback.header("x-external-id") if c.isalnum())[
                    :64
                ],
                received_at=now,
                outcome=refusal.outcome,
                response_code=refusal.answer.code,
                body_hash=callback.body_hash,
                body=None,
                signature=None,
                charge_id=charge_id,
            )
        )
        if charge_id is not None:
            await service.ask_soon(db, charge_id, now)
    log.warning("notification_refused", outcome=refusal.outcome, code=refusal.answer.code)


def issue_token(keys: AcquirerKeys, callback: Callback, *, now: datetime) -> dict[str, str]:
    """A B2B token for the acquirer that signed this request (service 73); raises Refused.

    The token carries its own end and seal, so that any process, also one started since, knows it.
    """
    timestamp, client_key = callback.header("x-timestamp"), callback.header("x-client-key")
    sent_at = read_time(timestamp)
    if sent_at is None:
        raise Refused("4007301", "Invalid Field Format X-TIMESTAMP", "bad-timestamp")
    text = signatures.token_text(client_key, timestamp)
    signature = callback.header("x-signature")
    if (
        client_key != keys.client_key
        or abs(now - sent_at) > keys.clock_tolerance
        or not signatures.verify_asymmetric(keys.public_key, text, signature, keys.profile.encoding)
    ):
        raise Refused("4017300", "Unauthorized", "bad-signature")
    if _object(callback.body, "4007300").get("grantType") != "client_credentials":
        raise Refused("4007302", "Missing Mandatory Field grantType", "missing-field")
    claim = f"{int((now + TOKEN_LIFETIME).timestamp())}.{secrets.token_hex(8)}"
    return {
        "responseCode": "2007300",
        "responseMessage": "Successful",
        "accessToken": f"{claim}.{_seal(keys, claim)}",
        "tokenType": "Bearer",
        "expiresIn": str(int(TOKEN_LIFETIME.total_seconds())),
    }


def _token_valid(keys: AcquirerKeys, token: str, now: datetime) -> bool:
    claim, _, seal = token.rpartition(".")
    ends = claim.partition(".")[0]
    genuine = hmac.compare_digest(seal.encode(), _seal(keys, claim).encode())
    return genuine and ends.isdigit() and int(ends) > now.timestamp()


def _seal(keys: AcquirerKeys, claim: str) -> str:
    secret = keys.client_secret.get_secret_value().encode()
    return hmac.new(secret, b"karcis-b2b-token|" + claim.encode(), hashlib.sha256).hexdigest()
