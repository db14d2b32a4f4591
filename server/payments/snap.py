"""SNAP BI client: asks an acquirer for barcodes, and to pay, cancel and refund them.

Every call has a deadline and holds no database transaction. Source: ASPI, SNAP BI QR MPM (services
47, 48, 51, 77, 78), QR CPM (60, 61, 62, 80) and B2B token (73).
"""

import asyncio
import json
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from pydantic import SecretStr

from domain.payment import ChargeKind, network_id
from server.payments import signatures
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
from server.payments.wire import (
    DEADLINE_S,
    AmountError,
    exchange,
    filled,
    measured,
    paid,
    whole_rupiah,
)

TOKEN_MARGIN = timedelta(seconds=60)
"""A token is renewed this long before it ends, so that no request carries one about to die."""
TOKEN_REQUEST = b'{"grantType":"client_credentials"}'
NEVER = datetime.min.replace(tzinfo=UTC)

MPM, CPM = ChargeKind.MPM, ChargeKind.CPM


class Service(StrEnum):
    """A SNAP service that we call, by its name in the standard's paths."""

    number: str

    def __new__(cls, name: str, number: str) -> "Service":
        service = str.__new__(cls, name)
        service._value_ = name
        service.number = number
        return service

    GENERATE = "qr-mpm-generate", "47"
    DECODE = "qr-mpm-decode", "48"
    QUERY = "qr-mpm-query", "51"
    CANCEL = "qr-mpm-cancel", "77"
    REFUND = "qr-mpm-refund", "78"
    PAY_CONSUMER = "qr-cpm-payment", "60"
    QUERY_CONSUMER = "qr-cpm-query", "61"
    CANCEL_CONSUMER = "qr-cpm-cancel", "62"
    REFUND_CONSUMER = "qr-cpm-refund", "80"


# latestTransactionStatus, SNAP BI §QR MPM. 01 initiated, 02 paying, 03 pending: not paid *yet*.
STATUSES = {
    "00": PaidStatus.PAID,
    "01": PaidStatus.UNPAID,
    "02": PaidStatus.UNPAID,
    "03": PaidStatus.UNPAID,
    "04": PaidStatus.REFUNDED,
    "05": PaidStatus.CANCELLED,
    # A failed attempt leaves the barcode payable at some acquirers, so the charge stays open.
    "06": PaidStatus.UNPAID,
    "07": PaidStatus.NOT_FOUND,
    # Not in the standard: some acquirers' expired, and rejected, which is another failed attempt.
    "08": PaidStatus.CANCELLED,
    "09": PaidStatus.UNPAID,
}


# HTTP status and case of a responseCode; the service stands between them. A refusal that speaks of
# us or of our request's form booked nothing. One that speaks of the transaction's own state
# (404/00, 13, 14, 18, 19) may be the trace of an earlier request of ours whose answer was lost, so
# it is for an inquiry to tell. Whatever is not here is UNKNOWN.
_MEANINGS: dict[Meaning, dict[str, str]] = {
    Meaning.ACCEPTED: {"200": "00"},
    Meaning.IN_PROGRESS: {"202": "00"},
    Meaning.NOTHING_BOOKED: {
        "400": "00 01 02",
        "401": "00 02",
        "403": "00 01 02 03 04 05 06 14 15 19 20 23",
        "404": "08 16 17",
        "405": "00 01",
    },
    Meaning.NOT_FOUND: {"404": "01"},
    Meaning.DUPLICATE: {"409": "01"},
    Meaning.EXTERNAL_ID_TAKEN: {"409": "00"},
    Meaning.TOKEN_DEAD: {"401": "01 03"},
    Meaning.UNKNOWN: {"404": "00 13 14 18 19", "429": "00", "500": "00 01 02", "504": "00"},
}
MEANINGS = {
    status + case: meaning
    for meaning, statuses in _MEANINGS.items()
    for status, cases in statuses.items()
    for case in cases.split()
}


def meaning(code: str, service: Service) -> Meaning:
    """What a responseCode says; one of another service says nothing."""
    if not re.fullmatch(r"[0-9]{7}", code, re.ASCII) or code[3:5] != service.number:
        return Meaning.UNKNOWN
    return MEANINGS.get(code[:3] + code[5:], Meaning.UNKNOWN)


def write_amount(amount_rp: int) -> dict[str, str]:
    return {"value": f"{amount_rp}.00", "currency": "IDR"}


def read_amount(amount: object) -> int:
    """Whole rupiah of a SNAP amount object (16,2); raises `AmountError`."""
    if not isinstance(amount, dict) or amount.get("currency") != "IDR":
        raise AmountError("the currency is not IDR")
    return whole_rupiah(amount.get("value"))


def write_time(moment: datetime) -> str:
    return moment.replace(microsecond=0).isoformat()


def read_time(text: object) -> datetime | None:
    """An aware instant from a SNAP timestamp, or None when it is not one."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


@dataclass(frozen=True)
class Credentials:
    """Who we are to the acquirer."""

    client_key: str
    client_secret: SecretStr
    private_key: RSAPrivateKey
    merchant_id: str
    terminal_id: str


class SnapAcquirer:
    """One acquirer reached over SNAP BI. Safe to share between tasks."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        profile: AcquirerProfile,
        credentials: Credentials,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._client = client
        self.deadline_s = deadline_s
        self.profile = profile
        self._credentials = credentials
        self._clock = clock
        self._token = ""
        self._renew_at = NEVER
        self._renewal: asyncio.Task[str] | None = None

    async def close(self) -> None:
        if self._renewal is not None:
            self._renewal.cancel()
        await self._client.aclose()

    @measured
    async def generate(self, reference: str, amount_rp: int, expires_at: datetime) -> IssuedBarcode:
        """Ask for a dynamic barcode of `amount_rp`. Of a duplicate reference an inquiry tells."""
        answer = await self._accepted(
            Service.GENERATE,
            {
                "partnerReferenceNo": reference,
                "amount": write_amount(amount_rp),
                "merchantId": self._credentials.merchant_id,
                "terminalId": self._credentials.terminal_id,
                "validityPeriod": write_time(expires_at),
            },
        )
        qris = filled(answer.get("qrContent"))
        acquirer_reference = filled(answer.get("referenceNo"))
        if qris is None or acquirer_reference is None:
            raise AcquirerUnknown("generate succeeded without a barcode")
        return IssuedBarcode(qris, acquirer_reference)

    @measured
    async def pay_consumer(
        self, reference: str, amount_rp: int, consumer_qr: str, expires_at: datetime
    ) -> ConsumerPayment:
        if not self.profile.consumers:
            raise NotOffered("payment by a consumer's barcode")
        body = {
            "partnerReferenceNo": reference,
            "qrContent": consumer_qr,
            "amount": write_amount(amount_rp),
            "merchantId": self._credentials.merchant_id,
            "terminalId": self._credentials.terminal_id,
            "expiryTime": write_time(expires_at),
        }
        answer = await self._accepted(Service.PAY_CONSUMER, body, Meaning.IN_PROGRESS)
        return ConsumerPayment(filled(answer.get("referenceNo")), answer)

    @measured
    async def inquire(self, reference: str, kind: ChargeKind = MPM) -> InquiryAnswer:
        service = Service.QUERY_CONSUMER if kind is CPM else Service.QUERY
        original = Service.PAY_CONSUMER if kind is CPM else Service.GENERATE
        body = self._original(reference) | {"serviceCode": original.number}
        answer = await self._call(service, body)
        code = str(answer.get("responseCode", ""))
        meant = meaning(code, service)
        if meant is Meaning.NOT_FOUND:
            return InquiryAnswer(PaidStatus.NOT_FOUND, answer)
        if meant is not Meaning.ACCEPTED:
            raise AcquirerUnknown(f"query answered {code or 'no code'}")
        return self._inquiry_answer(answer)

    @measured
    async def cancel(self, reference: str, reason: str, kind: ChargeKind = MPM) -> None:
        if not self.profile.cancels:
            raise NotOffered("cancel")
        service = Service.CANCEL_CONSUMER if kind is CPM else Service.CANCEL
        await self._accepted(service, self._original(reference) | {"reason": _printable(reason)})

    @measured
    async def refund(
        self,
        reference: str,
        refund_reference: str,
        amount_rp: int,
        reason: str,
        kind: ChargeKind = MPM,
    ) -> RefundAnswer:
        """Return `amount_rp`; asking again under the same `refund_reference` returns it once."""
        if self.profile.refunds == "none":
            raise NotOffered("refund")
        service = Service.REFUND_CONSUMER if kind is CPM else Service.REFUND
        body = self._original(reference) | {
            "partnerRefundNo": refund_reference,
            "refundAmount": write_amount(amount_rp),
            "reason": _printable(reason),
        }
        answer = await self._accepted(service, body)
        # Spelled as a settlement file's RRN is: that is where the number comes back.
        numbers = (network_id(filled(answer.get(name))) for name in ("refundNo", "referenceNo"))
        number = next(filter(None, numbers), None)
        echoed = answer.get("partnerRefundNo", refund_reference)
        if number is None or echoed != refund_reference:
            raise AcquirerUnknown("refund succeeded without its number, or for another one")
        return RefundAnswer(number, read_time(answer.get("refundTime")))

    async def decode(self, qris_text: str) -> DecodedBarcode:
        if not self.profile.decodes:
            raise NotOffered("decode")
        body = {"qrContent": qris_text, "scanTime": write_time(self._clock())}
        answer = await self._accepted(Service.DECODE, body)
        merchants = answer.get("merchantInfos")
        amount = answer.get("transactionAmount")
        try:
            return DecodedBarcode(
                merchant_name=filled(answer.get("merchantName")) or "",
                pans={
                    str(merchant.get("acquirerName")): str(merchant.get("merchantPAN"))
                    for merchant in (merchants if isinstance(merchants, list) else [])
                    if isinstance(merchant, dict)
                },
                amount_rp=None if amount is None else read_amount(amount),
            )
        except AmountError as exc:
            raise AcquirerUnknown(f"decode answered, but {exc}") from exc

    def _inquiry_answer(self, answer: dict[str, Any]) -> InquiryAnswer:
        extra = extra_fields(answer, self.profile)
        status = STATUSES.get(str(answer.get("latestTransactionStatus")), PaidStatus.UNKNOWN)
        amount_rp = None
        if status in (PaidStatus.PAID, PaidStatus.REFUNDED):
            try:
                amount_rp = paid(read_amount(answer.get("amount")))
            except AmountError as exc:
                raise AcquirerUnknown(f"query says {status}, but {exc}") from exc
        return InquiryAnswer(
            status,
            answer,
            acquirer_reference=filled(answer.get("originalReferenceNo")),
            qris=filled(extra.get("qrContent")),
            rrn=network_id(filled(extra.get(self.profile.rrn_field))),
            amount_rp=amount_rp,
            paid_at=read_time(answer.get("paidTime")),
            refunds=_told_refunds(extra.get("refundHistory")),
        )

    def _original(self, reference: str) -> dict[str, Any]:
        return {
            "originalPartnerReferenceNo": reference,
            "merchantId": self._credentials.merchant_id,
        }

    async def _accepted(
        self, service: Service, body: dict[str, Any], *good: Meaning
    ) -> dict[str, Any]:
        """The answer of a call that did what it was asked for."""
        answer = await self._call(service, body)
        code = str(answer.get("responseCode", ""))
        meant = meaning(code, service)
        if meant not in good:
            demand(meant, code, answer.get("responseMessage"))
        return answer

    async def _call(self, service: Service, body: dict[str, Any]) -> dict[str, Any]:
        try:
            async with asyncio.timeout(self.deadline_s):
                return await self._call_twice_at_most(service, body)
        except TimeoutError as exc:
            raise AcquirerUnknown("no answer in time") from exc

    async def _call_twice_at_most(self, service: Service, body: dict[str, Any]) -> dict[str, Any]:
        token = await self._current_token()
        answer = await self._post(service, body, token)
        meant = meaning(str(answer.get("responseCode", "")), service)
        if meant is Meaning.TOKEN_DEAD:
            if self._token == token:  # else another task has renewed it meanwhile
                self._renew_at = NEVER
            answer = await self._post(service, body, await self._current_token())
        elif meant is Meaning.EXTERNAL_ID_TAKEN:
            answer = await self._post(service, body, await self._current_token())
        return answer

    async def _post(self, service: Service, body: dict[str, Any], token: str) -> dict[str, Any]:
        path = self.profile.path(service)
        raw = json.dumps(body, separators=(",", ":")).encode()
        timestamp = write_time(self._clock())
        digest = signatures.body_digest(raw)
        text = signatures.symmetric_text("POST", path, token, digest, timestamp)
        secret = self._credentials.client_secret.get_secret_value()
        headers = {
            "Content-Type": "application/json",
            "Authorization": f"Bearer {token}",
            "X-TIMESTAMP": timestamp,
            "X-SIGNATURE": signatures.sign_symmetric(secret, text, self.profile.encoding),
            "X-PARTNER-ID": self._credentials.client_key,
            "X-EXTERNAL-ID": str(10**35 + secrets.randbelow(10**35)),
            "CHANNEL-ID": self.profile.channel_ids.get(service, self.profile.channel_id),
        }
        return await exchange(self._client, "POST", path, headers, raw)

    async def _current_token(self) -> str:
        """A token with a good while to live. All who need a new one wait for one renewal."""
        if self._clock() < self._renew_at:
            return self._token
        if self._renewal is None or self._renewal.done():
            self._renewal = asyncio.create_task(self._renew_token())
        return await asyncio.shield(self._renewal)

    async def _renew_token(self) -> str:
        timestamp = write_time(self._clock())
        text = signatures.token_text(self._credentials.client_key, timestamp)
        key, encoding = self._credentials.private_key, self.profile.encoding
        headers = {
            "Content-Type": "application/json",
            "X-TIMESTAMP": timestamp,
            "X-CLIENT-KEY": self._credentials.client_key,
            "X-SIGNATURE": signatures.sign_asymmetric(key, text, encoding),
        }
        try:
            async with asyncio.timeout(self.deadline_s):
                answer = await exchange(
                    self._client, "POST", self.profile.token_path, headers, TOKEN_REQUEST
                )
        except TimeoutError as exc:
            raise AcquirerUnknown("no token in time") from exc
        token, lasts = str(answer.get("accessToken", "")), str(answer.get("expiresIn", ""))
        if not (re.fullmatch(r"[!-~]{1,2048}", token) and re.fullmatch(r"[0-9]{1,6}", lasts)):
            # Nothing was booked, but the reason may pass: the caller inquires and tries again.
            raise AcquirerUnknown(f"no token: {answer.get('responseCode', 'no code')}")
        life = timedelta(seconds=int(lasts))
        self._token, self._renew_at = token, self._clock() + life - min(TOKEN_MARGIN, life / 2)
        return token


def extra_fields(message: dict[str, Any], profile: AcquirerProfile) -> dict[str, Any]:
    """What an acquirer adds to a message beyond the standard."""
    extra = message.get(profile.extra_field)
    return extra if isinstance(extra, dict) else {}


def _printable(reason: str) -> str:
    """A reason as an acquirer takes it, in printable ASCII; our own record keeps it as written."""
    return "".join(letter if " " <= letter <= "~" else "?" for letter in reason)


def _told_refunds(history: object) -> tuple[ToldRefund, ...] | None:
    """The refunds of a history that can be read whole; of any other, nothing is told."""
    if not isinstance(history, list):
        return None
    told = []
    for entry in history:
        number = filled(entry.get("partnerRefundNo")) if isinstance(entry, dict) else None
        if number is None:
            return None
        try:
            amount_rp = read_amount(entry.get("refundAmount"))
        except AmountError:
            return None
        told.append(ToldRefund(number, amount_rp, read_time(entry.get("refundTime"))))
    return tuple(told)
