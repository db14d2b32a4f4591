"""One acquirer's voice: how its callback is verified, what it says, and how it wants its answer.

A signature counts over the raw bytes first. Source: ASPI, SNAP BI QR MPM service 52 (notify), QR
CPM service 79 (notify) and service 73 (token, for acquirers that sign symmetrically).
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from pydantic import SecretStr

from domain.payment import ChargeKind, network_id
from server.payments import signatures
from server.payments.acquirer import AcquirerProfile, PaidStatus
from server.payments.snap import STATUSES, extra_fields, read_amount, read_time
from server.payments.wire import AmountError

MAX_BODY = 64 * 1024
MAX_HEADER = 2_048
TOKEN_LIFETIME = timedelta(minutes=15)
NOTIFY, TOKEN, NOTIFY_CONSUMER = "52", "73", "79"


@dataclass(frozen=True)
class Callback:
    """A request of the acquirer as it arrived."""

    headers: Mapping[str, str]
    body: bytes

    def header(self, name: str) -> str:
        return self.headers.get(name, "")[:MAX_HEADER]

    @property
    def body_hash(self) -> bytes:
        return hashlib.sha256(self.body).digest()


class Refused(Exception):
    """The callback is not accepted; nothing is posted.

    `code` is SNAP's without the service: HTTP status and case. `outcome` is our own word for it.
    """

    def __init__(self, code: str, message: str, outcome: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.outcome = outcome


@dataclass(frozen=True)
class Answer:
    """What the acquirer is answered, in its own form; `code` is what we keep of it."""

    code: str
    body: Mapping[str, str]

    @property
    def status(self) -> int:
        return int(self.code[:3])


@dataclass(frozen=True)
class Notified:
    """What a notification says: its signature is right, its form is sound, its truth is open."""

    acquirer_reference: str
    reference: str
    external_id: str
    status: PaidStatus
    status_text: str
    amount_rp: int
    merchant_id: str | None
    rrn: str | None
    paid_at: datetime | None
    signature: str


class Listener(Protocol):
    """Knows one acquirer's voice."""

    @property
    def profile(self) -> AcquirerProfile: ...

    @property
    def merchant_id(self) -> str: ...

    def read(self, callback: Callback, now: datetime) -> Notified:
        """What a genuine notification says; raises Refused."""

    def accepted(self) -> Answer: ...

    def refused(self, refusal: Refused) -> Answer: ...

    def issue_token(self, callback: Callback, now: datetime) -> Answer:
        """Answer the acquirer's request for the token it must sign its notifications under."""


@dataclass(frozen=True)
class SnapListener:
    """What proves that a callback comes from our acquirer, and is for us."""

    profile: AcquirerProfile
    public_key: RSAPublicKey
    merchant_id: str
    client_key: str
    client_secret: SecretStr
    clock_tolerance: timedelta
    kind: ChargeKind = ChargeKind.MPM

    def read(self, callback: Callback, now: datetime) -> Notified:
        self._verify(callback, now)
        data = json_object(callback.body)
        extra = extra_fields(data, self.profile)
        try:
            amount_rp = read_amount(data.get("amount"))
        except AmountError as exc:
            raise Refused("40001", "Invalid Field Format amount", "bad-amount") from exc
        status = required_field(data, "latestTransactionStatus")
        return Notified(
            acquirer_reference=required_field(data, "originalReferenceNo"),
            reference=required_field(data, "originalPartnerReferenceNo"),
            external_id=callback.header("x-external-id"),
            status=STATUSES.get(status, PaidStatus.UNKNOWN),
            status_text=status,
            amount_rp=amount_rp,
            merchant_id=optional_field(data, "merchantId") or optional_field(extra, "merchantId"),
            rrn=network_id(optional_field(extra, self.profile.rrn_field)),
            paid_at=read_time(extra.get("paidTime")),
            signature=callback.header("x-signature"),
        )

    def accepted(self) -> Answer:
        return _snap_answer("20000", self._service, "Successful")

    def refused(self, refusal: Refused) -> Answer:
        return _snap_answer(refusal.code, self._service, refusal.message)

    @property
    def _service(self) -> str:
        return NOTIFY_CONSUMER if self.kind is ChargeKind.CPM else NOTIFY

    @property
    def _path(self) -> str:
        consumer = self.kind is ChargeKind.CPM
        return self.profile.notify_consumer_path if consumer else self.profile.notify_path

    def _verify(self, callback: Callback, now: datetime) -> None:
        """Refuse unless the acquirer signed exactly these bytes, just now."""
        if len(callback.body) > MAX_BODY:
            raise Refused("40000", "Bad Request", "oversized")
        timestamp = callback.header("x-timestamp")
        sent_at = read_time(timestamp)
        if sent_at is None:
            raise Refused("40001", "Invalid Field Format X-TIMESTAMP", "bad-timestamp")
        if abs(now - sent_at) > self.clock_tolerance:
            raise Refused("40100", "Unauthorized. Timestamp out of range", "stale")
        external_id = callback.header("x-external-id")
        if not (external_id.isascii() and external_id.isdigit() and len(external_id) <= 36):
            raise Refused("40001", "Invalid Field Format X-EXTERNAL-ID", "bad-external-id")
        # Raw bytes first; then minified, because what some acquirers sign is not what they send.
        if self._signed(callback, callback.body, timestamp, now):
            return
        if not self._signed(callback, signatures.minify(callback.body), timestamp, now):
            raise Refused("40100", "Unauthorized. Invalid Signature", "bad-signature")

    def _signed(self, callback: Callback, body: bytes, timestamp: str, now: datetime) -> bool:
        profile, signature = self.profile, callback.header("x-signature")
        digest = signatures.body_digest(body, double_hex=profile.notify_double_hex)
        if profile.notify_signature == "asymmetric":
            text = signatures.asymmetric_text("POST", self._path, digest, timestamp)
            return signatures.verify_asymmetric(self.public_key, text, signature, profile.encoding)
        token = callback.header("authorization").removeprefix("Bearer ")
        if not self._token_valid(token, now):
            raise Refused("40101", "Invalid Token (B2B)", "bad-token")
        text = signatures.symmetric_text("POST", self._path, token, digest, timestamp)
        secret = self.client_secret.get_secret_value()
        return signatures.verify_symmetric(secret, text, signature, profile.encoding)

    def issue_token(self, callback: Callback, now: datetime) -> Answer:
        """Answer the acquirer's request for a B2B token (service 73).

        The token carries its own end and seal, so that any process, also one started since, knows
        it.
        """
        try:
            self._verify_token_request(callback, now)
        except Refused as refusal:
            return _snap_answer(refusal.code, TOKEN, refusal.message)
        claim = f"{int((now + TOKEN_LIFETIME).timestamp())}.{secrets.token_hex(8)}"
        return _snap_answer(
            "20000",
            TOKEN,
            "Successful",
            accessToken=f"{claim}.{self._seal(claim)}",
            tokenType="Bearer",
            expiresIn=str(int(TOKEN_LIFETIME.total_seconds())),
        )

    def _verify_token_request(self, callback: Callback, now: datetime) -> None:
        timestamp, client_key = callback.header("x-timestamp"), callback.header("x-client-key")
        sent_at = read_time(timestamp)
        if sent_at is None:
            raise Refused("40001", "Invalid Field Format X-TIMESTAMP", "bad-timestamp")
        text = signatures.token_text(client_key, timestamp)
        signature = callback.header("x-signature")
        encoding = self.profile.encoding
        if (
            client_key != self.client_key
            or abs(now - sent_at) > self.clock_tolerance
            or not signatures.verify_asymmetric(self.public_key, text, signature, encoding)
        ):
            raise Refused("40100", "Unauthorized", "bad-signature")
        if json_object(callback.body).get("grantType") != "client_credentials":
            raise Refused("40002", "Missing Mandatory Field grantType", "missing-field")

    def _token_valid(self, token: str, now: datetime) -> bool:
        claim, _, seal = token.rpartition(".")
        ends = claim.partition(".")[0]
        genuine = hmac.compare_digest(seal.encode(), self._seal(claim).encode())
        return genuine and ends.isdigit() and int(ends) > now.timestamp()

    def _seal(self, claim: str) -> str:
        secret = self.client_secret.get_secret_value().encode()
        return hmac.new(secret, b"karcis-b2b-token|" + claim.encode(), hashlib.sha256).hexdigest()


def _snap_answer(code: str, service: str, message: str, **more: str) -> Answer:
    """SNAP's form: the service stands between the HTTP status and the case."""
    full = code[:3] + service + code[3:]
    return Answer(full, {"responseCode": full, "responseMessage": message, **more})


def json_object(body: bytes) -> dict[str, Any]:
    """The JSON object of a callback, each name once; raises Refused."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name for name, _ in pairs}) != len(pairs):
            raise ValueError("a name occurs twice")
        return dict(pairs)

    try:
        data = json.loads(body, object_pairs_hook=unique)
    except (ValueError, RecursionError) as exc:
        raise Refused("40000", "Bad Request", "not-json") from exc
    if not isinstance(data, dict):
        raise Refused("40000", "Bad Request", "not-json")
    return data


def required_field(data: dict[str, Any], name: str) -> str:
    """A text that must be there; raises Refused."""
    value = optional_field(data, name)
    if value is None:
        raise Refused("40002", f"Missing Mandatory Field {name}", "missing-field")
    return value


def optional_field(data: dict[str, Any], name: str) -> str | None:
    """A text that may be missing or empty; raises Refused when it is of another form."""
    value = data.get(name)
    if value is None or value == "":
        return None
    # PostgreSQL stores no NUL, and no field of the standard is longer than 64.
    if not isinstance(value, str) or len(value) > 64 or not value.isprintable():
        raise Refused("40001", f"Invalid Field Format {name}", "bad-field")
    return value
