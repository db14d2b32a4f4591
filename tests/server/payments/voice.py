"""The acquirer's voice: notifications signed here from the standard's words.

Nothing of the server's own signing is used, so that two equal mistakes cannot agree.
"""

import base64
import hashlib
import hmac
import itertools
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

NOTIFY = "/v1.0/qr/qr-mpm-notify"
TOKEN = "/v1.0/access-token/b2b"
CLIENT_KEY = "acquirer-sandbox"
_numbers = itertools.count(10**12)


def rupiah(amount_rp: int) -> dict[str, str]:
    return {"value": f"{amount_rp}.00", "currency": "IDR"}


def compact(body: dict[str, Any]) -> bytes:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


@dataclass
class Voice:
    """Speaks as the acquirer that holds `key` and shares `secret` with us."""

    key: RSAPrivateKey
    secret: str
    merchant_id: str
    token: str = ""
    references: dict[str, str] = field(default_factory=dict)
    """The acquirer's references of our charges, by our own reference."""

    def body(
        self, charge_id: UUID, amount_rp: int, rrn: str | None = None, **changed: Any
    ) -> dict[str, Any]:
        """What service 52 says of a paid charge; `changed` replaces fields, None removes one."""
        extra = {"merchantId": self.merchant_id, "issuerName": "Dompet Contoh"}
        body = {
            "originalReferenceNo": self.references.get(charge_id.hex, f"77{charge_id.int % 10**9}"),
            "originalPartnerReferenceNo": charge_id.hex,
            "latestTransactionStatus": "00",
            "transactionStatusDesc": "success",
            "amount": rupiah(amount_rp),
            "additionalInfo": extra if rrn is None else extra | {"rrn": rrn},
        } | changed
        return {name: value for name, value in body.items() if value is not None}

    def rsa(self, text: str) -> str:
        signature = self.key.sign(text.encode(), PKCS1v15(), hashes.SHA256())
        return base64.b64encode(signature).decode()

    def hmac(self, text: str, secret: str | bytes | None = None) -> str:
        key = self.secret if secret is None else secret
        key = key.encode() if isinstance(key, str) else key
        return base64.b64encode(hmac.new(key, text.encode(), "sha512").digest()).decode()

    def headers(
        self,
        content: bytes,
        *,
        at: datetime,
        path: str = NOTIFY,
        timestamp: str | None = None,
        external_id: str | None = None,
        symmetric: bool = False,
        **changed: str | None,
    ) -> dict[str, str]:
        """Headers that sign `content`; `changed` replaces one afterwards, None removes it."""
        stamp = at.isoformat(timespec="seconds") if timestamp is None else timestamp
        digest = hashlib.sha256(content).hexdigest()
        if symmetric:
            signature = self.hmac(f"POST:{path}:{self.token}:{digest}:{stamp}")
        else:
            signature = self.rsa(f"POST:{path}:{digest}:{stamp}")
        headers = {
            "Content-Type": "application/json",
            "X-TIMESTAMP": stamp,
            "X-SIGNATURE": signature,
            "X-PARTNER-ID": CLIENT_KEY,
            "X-EXTERNAL-ID": str(next(_numbers)) if external_id is None else external_id,
            "CHANNEL-ID": "95221",
        }
        if symmetric:
            headers["AUTHORIZATION"] = f"Bearer {self.token}"
        renamed = {name.replace("_", "-").upper(): value for name, value in changed.items()}
        return {name: value for name, value in (headers | renamed).items() if value is not None}

    def token_headers(self, *, at: datetime, **changed: str) -> dict[str, str]:
        stamp = at.isoformat(timespec="seconds")
        renamed = {name.replace("_", "-").upper(): value for name, value in changed.items()}
        return {
            "Content-Type": "application/json",
            "X-TIMESTAMP": stamp,
            "X-CLIENT-KEY": CLIENT_KEY,
            "X-SIGNATURE": self.rsa(f"{CLIENT_KEY}|{stamp}"),
        } | renamed
