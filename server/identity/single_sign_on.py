"""Single sign-on by the city's portal: OpenID Connect, authorization code with PKCE.

The portal says who somebody is; who is an officer stands here, and nobody becomes one by signing in
there. Each attempt is good once, in the browser that began it.
"""

import hashlib
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import httpx
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from pydantic import SecretStr
from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.database import Transactions
from server.errors import Problem
from server.identity.models import Officer, SignOnAttempt

ATTEMPT_LIFETIME = timedelta(minutes=10)
DESCRIBED_FOR_S = 3600
LEEWAY_S = 60
"""How far the portal's clock may be from ours."""
ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]
"""Signatures only: with `none` or a shared secret anybody could say who they are."""
BOTH_FACTORS = frozenset({"mfa", "hwk", "swk"})
"""Of RFC 8176: what a portal says of an authentication with more than a password."""


class PortalUnavailable(Problem):
    slug = "portal-unavailable"
    status = 503
    title_id = "Portal kota tidak dapat dihubungi; masuk dengan kata sandi atau coba lagi nanti"
    title_en = "The city's portal cannot be reached; sign in by password or try again later"


class PortalRefused(Problem):
    slug = "portal-refused"
    status = 403
    title_id = "Portal kota tidak memastikan siapa Anda; mulai lagi dari halaman masuk"
    title_en = "The city's portal did not confirm who you are; begin again at the sign-in page"


class PortalOfficerUnknown(Problem):
    slug = "portal-officer-unknown"
    status = 403
    title_id = "Akun portal ini belum dihubungkan dengan petugas; hubungi admin sistem"
    title_en = "This account of the portal is not linked to an officer; ask the system admin"


@dataclass(frozen=True)
class Attempt:
    """What a browser's way to the portal began with."""

    nonce: str
    verifier: str
    began_at: datetime
    sign_in_id: UUID | None
    """Of who is signed in and shows once more who they are."""


@dataclass(frozen=True)
class Told:
    """What the portal has told, checked."""

    account: str
    both_factors: bool


@dataclass
class Portal:
    """The city's identity provider."""

    issuer: str
    client_id: str
    secret: SecretStr
    claim: str
    return_to: str
    client: httpx.AsyncClient
    _described: dict[str, Any] = field(default_factory=dict)
    _described_at: float = 0.0

    async def way_there(self, state: str, attempt: Attempt) -> str:
        """The portal's own address for this attempt; raises PortalUnavailable."""
        asked = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.return_to,
            "scope": "openid profile email",
            "state": state,
            "nonce": attempt.nonce,
            "code_challenge": create_s256_code_challenge(attempt.verifier),
            "code_challenge_method": "S256",
        }
        if attempt.sign_in_id is not None:
            asked |= {"max_age": "0", "prompt": "login"}
        described = await self._description()
        return f"{described['authorization_endpoint']}?{urlencode(asked)}"

    async def told_by(self, code: str, attempt: Attempt, now: datetime) -> Told:
        """Whom the code stands for; raises PortalUnavailable or PortalRefused.

        After that the portal is asked anew where its endpoints are: they may have moved.
        """
        try:
            return await self._asked_of(code, attempt, now)
        except (PortalUnavailable, PortalRefused):
            self._described = {}
            raise

    async def _asked_of(self, code: str, attempt: Attempt, now: datetime) -> Told:
        described = await self._description()
        answer = await self._ask(
            "POST",
            described["token_endpoint"],
            data={
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": self.return_to,
                "code_verifier": attempt.verifier,
            },
            auth=(self.client_id, self.secret.get_secret_value()),
        )
        keys = await self._ask("GET", described["jwks_uri"])
        try:
            claims = self._checked(str(answer["id_token"]), keys, attempt, now)
            return self._told(claims)
        except (JoseError, ValueError, KeyError, TypeError) as exc:
            raise PortalRefused from exc

    def _checked(
        self, token: str, keys: dict[str, Any], attempt: Attempt, now: datetime
    ) -> Mapping[str, Any]:
        decoded = jwt.decode(token, KeySet.import_key_set(keys), algorithms=ALGORITHMS)  # type: ignore[arg-type]
        anew = attempt.sign_in_id is not None
        claims = CodeIDToken(
            decoded.claims,
            decoded.header,
            options={
                "iss": {"essential": True, "value": self.issuer},
                "aud": {"essential": True, "value": self.client_id},
                "nonce": {"essential": True},
                "auth_time": {"essential": anew},
            },
            params={"nonce": attempt.nonce, "client_id": self.client_id},
        )
        claims.validate(now=int(now.timestamp()), leeway=LEEWAY_S)
        if anew and claims["auth_time"] < attempt.began_at.timestamp() - LEEWAY_S:
            raise ValueError("not signed in anew")
        return dict(claims)

    def _told(self, claims: Mapping[str, Any]) -> Told:
        account = claims[self.claim]
        if self.claim == "email" and claims.get("email_verified") is not True:
            raise ValueError("the address is not verified")
        if not isinstance(account, str) or not account:
            raise ValueError("no account is named")
        return Told(account, not BOTH_FACTORS.isdisjoint(claims.get("amr") or ()))

    async def _description(self) -> dict[str, Any]:
        if not self._described or time.monotonic() - self._described_at > DESCRIBED_FOR_S:
            address = f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"
            described = await self._ask("GET", address)
            if described.get("issuer") != self.issuer:
                raise PortalUnavailable("the portal calls itself by another name")
            self._described, self._described_at = described, time.monotonic()
        return self._described

    async def _ask(self, method: str, address: str, **how: Any) -> dict[str, Any]:
        try:
            answer = await self.client.request(method, address, **how)
            told = answer.json()
        except (httpx.HTTPError, ValueError) as exc:
            raise PortalUnavailable from exc
        if answer.status_code >= 500 or not isinstance(told, dict):
            raise PortalUnavailable
        if answer.is_error:
            raise PortalRefused
        return told


def _digest(state: str) -> bytes:
    return hashlib.sha256(state.encode()).digest()


async def begin(
    db: AsyncSession, *, now: datetime, sign_in_id: UUID | None = None
) -> tuple[str, Attempt]:
    """A new attempt, and the state by which the portal gives it back."""
    state = secrets.token_urlsafe(32)
    attempt = Attempt(secrets.token_urlsafe(32), secrets.token_urlsafe(48), now, sign_in_id)
    await db.execute(delete(SignOnAttempt).where(SignOnAttempt.began_at <= now - ATTEMPT_LIFETIME))
    await db.execute(
        insert(SignOnAttempt).values(
            state_hash=_digest(state),
            nonce=attempt.nonce,
            verifier_secret=attempt.verifier,
            began_at=now,
            sign_in_id=sign_in_id,
        )
    )
    return state, attempt


async def take(transactions: Transactions, state: str, *, now: datetime) -> Attempt:
    """The attempt of a state, used up by this whatever comes of it; raises PortalRefused."""
    async with transactions.begin() as db:
        row = (
            await db.execute(
                delete(SignOnAttempt)
                .where(SignOnAttempt.state_hash == _digest(state))
                .where(SignOnAttempt.began_at > now - ATTEMPT_LIFETIME)
                .returning(
                    SignOnAttempt.nonce,
                    SignOnAttempt.verifier_secret,
                    SignOnAttempt.began_at,
                    SignOnAttempt.sign_in_id,
                )
            )
        ).one_or_none()
    if row is None:
        raise PortalRefused
    return Attempt(*row)


async def officer_of(db: AsyncSession, told: Told) -> Officer:
    """Who was registered with this account beforehand; raises PortalOfficerUnknown."""
    officer = await db.scalar(
        select(Officer)
        .where(Officer.portal_account == told.account)
        .where(Officer.switched_off_at.is_(None))
    )
    if officer is None:
        raise PortalOfficerUnknown
    return officer
