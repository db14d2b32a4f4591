"""An acquirer reached over plain REST: Midtrans Core API's charge, status, cancel and refund.

Its webhook's signature covers the order, the status code and the amount, but neither the word that
says what happened nor the time. So a webhook announces and an inquiry proves: none posts money.
Source: docs.midtrans.com, Core API reference and HTTP notification.
"""

import asyncio
import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from math import ceil
from typing import Any
from urllib.parse import quote

import httpx
from pydantic import SecretStr

from domain.payment import ChargeKind, network_id
from server.payments.acquirer import (
    AcquirerProfile,
    AcquirerUnknown,
    ConsumerPayment,
    DecodedBarcode,
    InquiryAnswer,
    IssuedBarcode,
    Meaning,
    NotOffered,
    PaidStatus,
    RefundAnswer,
    ToldRefund,
    demand,
)
from server.payments.callbacks import (
    MAX_BODY,
    Answer,
    Callback,
    Notified,
    Refused,
    json_object,
    optional_field,
    required_field,
)
from server.payments.wire import (
    DEADLINE_S,
    AmountError,
    exchange,
    filled,
    measured,
    paid,
    whole_rupiah,
)

MPM = ChargeKind.MPM
WIB = timezone(timedelta(hours=7))
"""Times on the wire are of western Indonesia, wherever the merchant is, and do not say so."""

# status_code. 407, 412 and 414 speak of the transaction's state, as does whatever is not here: an
# inquiry tells.
MEANINGS = {
    "200": Meaning.ACCEPTED,
    "201": Meaning.ACCEPTED,
    "400": Meaning.NOTHING_BOOKED,
    "401": Meaning.NOTHING_BOOKED,
    "402": Meaning.NOTHING_BOOKED,
    "403": Meaning.NOTHING_BOOKED,
    "404": Meaning.NOT_FOUND,
    "405": Meaning.NOTHING_BOOKED,
    "406": Meaning.DUPLICATE,
    "410": Meaning.NOTHING_BOOKED,
    "413": Meaning.NOTHING_BOOKED,
}
# transaction_status. A refusal by one payer leaves the barcode payable by the next.
STATUSES = {
    "settlement": PaidStatus.PAID,
    "partial_refund": PaidStatus.PAID,
    "refund": PaidStatus.REFUNDED,
    "pending": PaidStatus.UNPAID,
    "deny": PaidStatus.UNPAID,
    "failure": PaidStatus.UNPAID,
    "cancel": PaidStatus.CANCELLED,
    "expire": PaidStatus.CANCELLED,
}
ANSWERS_AN_INQUIRY = ("200", "201", "202", "407")


class RestAcquirer:
    """One acquirer reached over REST. Safe to share between tasks."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        profile: AcquirerProfile,
        server_key: SecretStr,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._client = client
        self._server_key = server_key
        self.profile = profile
        self.deadline_s = deadline_s

    async def close(self) -> None:
        await self._client.aclose()

    @measured
    async def generate(self, reference: str, amount_rp: int, expires_at: datetime) -> IssuedBarcode:
        left_s = ceil((expires_at - datetime.now(UTC)).total_seconds())
        answer = await self._ask(
            "POST",
            "/v2/charge",
            {
                "payment_type": "qris",
                "transaction_details": {"order_id": reference, "gross_amount": amount_rp},
                "custom_expiry": {"expiry_duration": left_s, "unit": "second"},
            },
        )
        _demand(answer)
        qris, acquirer_reference = filled(answer.get("qr_string")), _transaction_id(answer)
        if qris is None or acquirer_reference is None:
            raise AcquirerUnknown("charge succeeded without a barcode")
        return IssuedBarcode(qris, acquirer_reference)

    @measured
    async def pay_consumer(
        self, reference: str, amount_rp: int, consumer_qr: str, expires_at: datetime
    ) -> ConsumerPayment:
        raise NotOffered("payment by a consumer's barcode")

    async def decode(self, qris_text: str) -> DecodedBarcode:
        raise NotOffered("decode")

    @measured
    async def inquire(self, reference: str, kind: ChargeKind = MPM) -> InquiryAnswer:
        answer = await self._ask("GET", _of_order(reference, "status"))
        code = str(answer.get("status_code", ""))
        if MEANINGS.get(code) is Meaning.NOT_FOUND:
            return InquiryAnswer(PaidStatus.NOT_FOUND, answer)
        if code not in ANSWERS_AN_INQUIRY:
            raise AcquirerUnknown(f"status answered {code or 'no code'}")
        return _inquiry_answer(answer, self.profile)

    @measured
    async def cancel(self, reference: str, reason: str, kind: ChargeKind = MPM) -> None:
        _demand(await self._ask("POST", _of_order(reference, "cancel")))

    @measured
    async def refund(
        self,
        reference: str,
        refund_reference: str,
        amount_rp: int,
        reason: str,
        kind: ChargeKind = MPM,
    ) -> RefundAnswer:
        """Return `amount_rp`; a repeat is refused as a duplicate, and an inquiry tells of it."""
        body = {"refund_key": refund_reference, "amount": amount_rp, "reason": reason}
        answer = await self._ask("POST", _of_order(reference, "refund"), body)
        _demand(answer)
        if answer.get("refund_key", refund_reference) != refund_reference:
            raise AcquirerUnknown("another refund was answered")
        number = answer.get("refund_chargeback_id")
        # Spelled as a settlement file's RRN is: that is where the number comes back.
        known = network_id(None if number is None else str(number))
        return RefundAnswer(known or refund_reference, _time(answer.get("created_at")))

    async def _ask(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        user = f"{self._server_key.get_secret_value()}:"
        headers = {
            "Accept": "application/json",
            "Authorization": "Basic " + base64.b64encode(user.encode()).decode(),
        }
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body, separators=(",", ":")).encode()
        try:
            async with asyncio.timeout(self.deadline_s):
                return await exchange(self._client, method, path, headers, content)
        except TimeoutError as exc:
            raise AcquirerUnknown("no answer in time") from exc


def _of_order(reference: str, what: str) -> str:
    return f"/v2/{quote(reference, safe='')}/{what}"


def _demand(answer: dict[str, Any]) -> None:
    code = str(answer.get("status_code", ""))
    demand(MEANINGS.get(code, Meaning.UNKNOWN), code, answer.get("status_message"))


def _inquiry_answer(answer: dict[str, Any], profile: AcquirerProfile) -> InquiryAnswer:
    said = str(answer.get("transaction_status"))
    status = STATUSES.get(said, PaidStatus.UNKNOWN)
    amount_rp = None
    if status in (PaidStatus.PAID, PaidStatus.REFUNDED):
        if answer.get("fraud_status", "accept") != "accept":
            return InquiryAnswer(PaidStatus.UNKNOWN, answer)
        try:
            amount_rp = paid(_gross(answer))
        except AmountError as exc:
            raise AcquirerUnknown(f"status says {said}, but {exc}") from exc
    return InquiryAnswer(
        status,
        answer,
        acquirer_reference=_transaction_id(answer),
        qris=filled(answer.get("qr_string")),
        rrn=network_id(filled(answer.get(profile.rrn_field))),
        amount_rp=amount_rp,
        paid_at=_time(answer.get("settlement_time")),
        refunds=_told_refunds(answer.get("refunds"), said),
    )


def _told_refunds(history: object, said: str) -> tuple[ToldRefund, ...] | None:
    """The refunds of a history that can be read whole. There is one only after a refund."""
    if history is None and said not in ("refund", "partial_refund"):
        return ()
    if not isinstance(history, list):
        return None
    told = []
    for entry in history:
        key = filled(entry.get("refund_key")) if isinstance(entry, dict) else None
        if key is None:
            return None
        try:
            amount_rp = whole_rupiah(entry.get("refund_amount"))
        except AmountError:
            return None
        told.append(ToldRefund(key, amount_rp, _time(entry.get("created_at"))))
    return tuple(told)


def _gross(message: dict[str, Any]) -> int:
    if message.get("currency", "IDR") != "IDR":
        raise AmountError("the currency is not IDR")
    return whole_rupiah(message.get("gross_amount"))


def _transaction_id(answer: dict[str, Any]) -> str | None:
    return filled(answer.get("transaction_id"))


def _time(text: object) -> datetime | None:
    if not isinstance(text, str):
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=WIB)
    except ValueError:
        return None


@dataclass(frozen=True)
class RestListener:
    """Hears the webhook of an acquirer whose server key we hold."""

    profile: AcquirerProfile
    merchant_id: str
    server_key: SecretStr

    def read(self, callback: Callback, now: datetime) -> Notified:
        if len(callback.body) > MAX_BODY:
            raise Refused("40000", "Bad Request", "oversized")
        data = json_object(callback.body)
        order, code = required_field(data, "order_id"), required_field(data, "status_code")
        signature = data.get("signature_key")
        gross, key = required_field(data, "gross_amount"), self.server_key.get_secret_value()
        expected = hashlib.sha512(f"{order}{code}{gross}{key}".encode()).hexdigest()
        if not isinstance(signature, str) or not hmac.compare_digest(
            signature.encode(errors="replace"), expected.encode()
        ):
            raise Refused("40100", "Unauthorized. Invalid Signature", "bad-signature")
        try:
            amount_rp = _gross(data)
        except AmountError as exc:
            raise Refused("40001", "Invalid Field Format gross_amount", "bad-amount") from exc
        return Notified(
            acquirer_reference=required_field(data, "transaction_id"),
            reference=order,
            external_id=required_field(data, "transaction_id"),
            status=PaidStatus.UNKNOWN,  # whatever it says: see the module
            status_text=required_field(data, "transaction_status"),
            amount_rp=amount_rp,
            merchant_id=optional_field(data, "merchant_id"),
            rrn=None,
            paid_at=None,
            signature=signature,
        )

    def accepted(self) -> Answer:
        return _answer("200", "OK")

    def refused(self, refusal: Refused) -> Answer:
        return _answer(refusal.code[:3], refusal.message)

    def issue_token(self, callback: Callback, now: datetime) -> Answer:
        return _answer("404", "No token is needed")


def _answer(code: str, message: str) -> Answer:
    return Answer(code, {"status_code": code, "status_message": message})
