"""SNAP BI client: asks an acquirer for a barcode and about its fate.

Every call has a deadline and holds no database transaction. Source: ASPI, SNAP BI QR MPM services
47 (generate), 51 (query) and 73 (token).
"""

import asyncio
import json
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from pydantic import SecretStr

from server.payments import signatures
from server.payments.acquirer import (
    AcquirerProfile,
    AcquirerRefused,
    AcquirerUnknown,
    InquiryAnswer,
    IssuedBarcode,
    PaidStatus,
)

log = structlog.get_logger()

TOKEN_MARGIN = timedelta(seconds=60)
"""A token is renewed this long before it ends, so that no request carries one about to die."""
DEADLINE_S = 20.0
"""How long one call may take in all, its token and its second try included."""
MAX_ANSWER = 256 * 1024

# latestTransactionStatus, SNAP BI §QR MPM. 01 initiated, 02 paying, 03 pending: not paid *yet*.
STATUSES = {
    "00": PaidStatus.PAID,
    "01": PaidStatus.UNPAID,
    "02": PaidStatus.UNPAID,
    "03": PaidStatus.UNPAID,
    "05": PaidStatus.CANCELLED,
    # A failed attempt leaves the barcode payable at some acquirers, so the charge stays open.
    "06": PaidStatus.UNPAID,
    "07": PaidStatus.NOT_FOUND,
}

# Answers that say the acquirer booked nothing: bad request, signature, not permitted.
REFUSALS = re.compile(r"(400|401|403|405)\d{4}|404\d{2}(08|16|17)")


class AmountError(ValueError):
    """An amount on the wire that is not whole rupiah."""


def write_amount(amount_rp: int) -> dict[str, str]:
    return {"value": f"{amount_rp}.00", "currency": "IDR"}


def read_amount(amount: object) -> int:
    """Whole rupiah of a SNAP amount object (16,2); raises `AmountError`."""
    if not isinstance(amount, dict) or amount.get("currency") != "IDR":
        raise AmountError("the currency is not IDR")
    value = amount.get("value")
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{1,13}(\.0{1,2})?", value):
        raise AmountError("the value is not whole rupiah")
    return int(value.partition(".")[0])


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
        self._token_ends = datetime.min.replace(tzinfo=UTC)
        self._renewing = asyncio.Lock()

    async def close(self) -> None:
        await self._client.aclose()

    async def generate(self, reference: str, amount_rp: int, expires_at: datetime) -> IssuedBarcode:
        """Ask for a dynamic barcode of `amount_rp` under `reference`; the same again is harmless.

        Raises AcquirerRefused when nothing was booked, AcquirerUnknown when that cannot be told.
        """
        body = {
            "partnerReferenceNo": reference,
            "amount": write_amount(amount_rp),
            "merchantId": self._credentials.merchant_id,
            "terminalId": self._credentials.terminal_id,
            "validityPeriod": write_time(expires_at),
        }
        answer = await self._call(self.profile.generate_path, body)
        code = str(answer.get("responseCode", ""))
        if code == "2004700":
            qris, acquirer_reference = (
                _text(answer.get("qrContent")),
                _text(answer.get("referenceNo")),
            )
            if qris is not None and acquirer_reference is not None:
                return IssuedBarcode(qris, acquirer_reference)
            raise AcquirerUnknown("generate succeeded without a barcode")
        if REFUSALS.fullmatch(code):
            raise AcquirerRefused(code, str(answer.get("responseMessage", "")))
        raise AcquirerUnknown(f"generate answered {code or 'no code'}")

    async def inquire(self, reference: str) -> InquiryAnswer:
        """Ask what became of `reference`. Raises AcquirerUnknown when there is no usable answer."""
        body = {
            "originalPartnerReferenceNo": reference,
            "serviceCode": "47",
            "merchantId": self._credentials.merchant_id,
        }
        answer = await self._call(self.profile.query_path, body)
        code = str(answer.get("responseCode", ""))
        if code == "4045101":
            return InquiryAnswer(PaidStatus.NOT_FOUND, answer)
        if code != "2005100":
            raise AcquirerUnknown(f"query answered {code or 'no code'}")
        extra = answer.get("additionalInfo")
        extra = extra if isinstance(extra, dict) else {}
        status = STATUSES.get(str(answer.get("latestTransactionStatus")), PaidStatus.UNKNOWN)
        amount_rp = None
        if status is PaidStatus.PAID:
            try:
                amount_rp = read_amount(answer.get("amount"))
            except AmountError as exc:
                raise AcquirerUnknown(f"query says paid, but {exc}") from exc
        return InquiryAnswer(
            status,
            answer,
            acquirer_reference=_text(answer.get("originalReferenceNo")),
            qris=_text(extra.get("qrContent")),
            rrn=_text(extra.get("rrn")),
            amount_rp=amount_rp,
            paid_at=read_time(answer.get("paidTime")),
        )

    async def _call(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        try:
            async with asyncio.timeout(self.deadline_s):
                return await self._call_twice_at_most(path, body)
        except TimeoutError as exc:
            raise AcquirerUnknown("no answer in time") from exc

    async def _call_twice_at_most(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        token = await self._current_token()
        answer = await self._post(path, body, token)
        code = str(answer.get("responseCode", ""))
        if code.startswith("401") and code.endswith(("01", "03")):  # the token died early
            if self._token == token:  # else another task has renewed it meanwhile
                self._token = ""
            answer = await self._post(path, body, await self._current_token())
        elif code.startswith("409") and code.endswith("00"):  # our X-EXTERNAL-ID was taken today
            answer = await self._post(path, body, await self._current_token())
        return answer

    async def _post(self, path: str, body: dict[str, Any], token: str) -> dict[str, Any]:
        raw = json.dumps(body, separators=(",", ":")).encode()
        timestamp = write_time(self._clock())
        digest = signatures.body_digest(raw, double_hex=self.profile.double_hex_digest)
        text = signatures.symmetric_text("POST", path, token, digest, timestamp)
        secret = self._credentials.client_secret.get_secret_value()
        return await self._send(
            path,
            raw,
            {
                "Authorization": f"Bearer {token}",
                "X-TIMESTAMP": timestamp,
                "X-SIGNATURE": signatures.sign_symmetric(secret, text, self.profile.encoding),
                "X-PARTNER-ID": self._credentials.client_key,
                "X-EXTERNAL-ID": str(10**35 + secrets.randbelow(10**35)),
                "CHANNEL-ID": self.profile.channel_id,
            },
        )

    async def _current_token(self) -> str:
        async with self._renewing:
            if not self._token or self._clock() >= self._token_ends - TOKEN_MARGIN:
                await self._renew_token()
            return self._token

    async def _renew_token(self) -> None:
        timestamp = write_time(self._clock())
        text = signatures.token_text(self._credentials.client_key, timestamp)
        signature = signatures.sign_asymmetric(
            self._credentials.private_key, text, self.profile.encoding
        )
        answer = await self._send(
            self.profile.token_path,
            b'{"grantType":"client_credentials"}',
            {
                "X-TIMESTAMP": timestamp,
                "X-CLIENT-KEY": self._credentials.client_key,
                "X-SIGNATURE": signature,
            },
        )
        token, lasts = str(answer.get("accessToken", "")), str(answer.get("expiresIn", ""))
        if not (re.fullmatch(r"[!-~]{1,2048}", token) and re.fullmatch(r"[0-9]{1,6}", lasts)):
            # Nothing was booked, but the reason may pass: the caller inquires and tries again.
            raise AcquirerUnknown(f"no token: {answer.get('responseCode', 'no code')}")
        self._token, self._token_ends = token, self._clock() + timedelta(seconds=int(lasts))

    async def _send(self, path: str, raw: bytes, headers: dict[str, str]) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"} | headers
        answer = bytearray()
        try:
            async with self._client.stream("POST", path, content=raw, headers=headers) as response:
                async for chunk in response.aiter_bytes():
                    answer += chunk
                    if len(answer) > MAX_ANSWER:
                        raise AcquirerUnknown("the answer is too long")
            return _object(bytes(answer))
        except (httpx.HTTPError, ValueError, RecursionError) as exc:
            log.warning("acquirer_silent", path=path, error=type(exc).__name__)
            raise AcquirerUnknown(type(exc).__name__) from exc


def _object(raw: bytes) -> dict[str, Any]:
    """A JSON object that PostgreSQL can keep as it is, or ValueError: no NUL, NaN, or surrogate."""
    answer = json.loads(raw)
    if not isinstance(answer, dict):
        raise ValueError("the answer is not an object")  # noqa: TRY004 - bad data, not a bad call
    if b"\\u0000" in json.dumps(answer, ensure_ascii=False, allow_nan=False).encode():
        raise ValueError("the answer holds a NUL")
    return answer


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
