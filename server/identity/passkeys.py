"""Passkeys: keys in an officer's phone, laptop or stick that know the person themselves (WebAuthn).

The key is used only after a finger, face or PIN was shown to it, and that is required here: what
somebody has and what somebody is or knows, both factors at once. Each challenge is answered once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import webauthn
from sqlalchemy import delete, exists, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from webauthn.helpers import base64url_to_bytes, parse_client_data_json
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from server.errors import NotFound, Problem
from server.identity.models import Officer, OfficerPasskey, PasskeyChallenge
from server.identity.service import NotSignedIn

CHALLENGE_LIFETIME = timedelta(minutes=5)
MOST = 10


class PasskeyRefused(Problem):
    slug = "passkey-refused"
    status = 403
    title_id = "Passkey ini tidak diterima; coba lagi atau pakai cara lain"
    title_en = "This passkey was not accepted; try again or use another way"


class PasskeysNotPossible(Problem):
    slug = "passkeys-not-possible"
    status = 503
    title_id = "Passkey perlu alamat https dengan nama, bukan angka"
    title_en = "Passkeys need an https address with a name, not with numbers"


class TooManyPasskeys(Problem):
    slug = "too-many-passkeys"
    status = 409
    title_id = f"Paling banyak {MOST} passkey; hapus dahulu yang lama"
    title_en = f"At most {MOST} passkeys; remove an old one first"


class PasskeyNotFound(NotFound):
    slug = "passkey-not-found"
    title_id = "Passkey ini tidak ada"
    title_en = "There is no such passkey"


@dataclass(frozen=True)
class Site:
    """To whom a passkey belongs; browsers use it for this origin only."""

    host: str
    origin: str


def site_of(base_url: str) -> Site | None:
    """None where browsers allow no passkeys: on a bare address, or without TLS elsewhere."""
    address = urlsplit(base_url)
    host = address.hostname or ""
    try:
        ip_address(host)
    except ValueError:
        possible = address.scheme == "https" or host == "localhost"
    else:
        possible = False
    return Site(host, f"{address.scheme}://{address.netloc}") if possible else None


def needed_site(base_url: str) -> Site:
    """Raises PasskeysNotPossible."""
    site = site_of(base_url)
    if site is None:
        raise PasskeysNotPossible
    return site


async def of_officer(db: AsyncSession, officer_id: UUID) -> Sequence[OfficerPasskey]:
    rows = await db.scalars(
        select(OfficerPasskey)
        .where(OfficerPasskey.officer_id == officer_id)
        .order_by(OfficerPasskey.added_at)
    )
    return rows.all()


async def creation_options(
    db: AsyncSession, officer: Officer, site: Site, name: str, *, now: datetime
) -> str:
    """What the browser is to ask its authenticator for, as JSON."""
    known = await of_officer(db, officer.id)
    if len(known) >= MOST:
        raise TooManyPasskeys
    options = webauthn.generate_registration_options(
        rp_id=site.host,
        rp_name=name,
        user_id=officer.id.bytes,
        user_name=officer.login,
        user_display_name=officer.name,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(key.credential_id) for key in known],
    )
    await _keep(db, options.challenge, officer.id, now)
    return webauthn.options_to_json(options)


async def add(
    db: AsyncSession,
    officer: Officer,
    site: Site,
    answer: Mapping[str, Any],
    name: str,
    *,
    now: datetime,
) -> None:
    """Keep the key that the authenticator has made; raises PasskeyRefused."""
    challenge = await _answered(db, answer, officer.id, now)
    try:
        made = webauthn.verify_registration_response(
            credential=dict(answer),
            expected_challenge=challenge,
            expected_rp_id=site.host,
            expected_origin=site.origin,
            require_user_verification=True,
        )
    except (WebAuthnException, KeyError, TypeError, ValueError) as exc:
        raise PasskeyRefused from exc
    if await db.scalar(select(exists().where(OfficerPasskey.credential_id == made.credential_id))):
        raise PasskeyRefused
    await db.execute(
        insert(OfficerPasskey).values(
            credential_id=made.credential_id,
            officer_id=officer.id,
            public_key=made.credential_public_key,
            sign_count=made.sign_count,
            name=name,
            added_at=now,
        )
    )


async def request_options(
    db: AsyncSession, site: Site, *, now: datetime, officer_id: UUID | None = None
) -> str:
    """What to ask an authenticator for a proof with, of any officer or of this one, as JSON."""
    known = await of_officer(db, officer_id) if officer_id else []
    options = webauthn.generate_authentication_options(
        rp_id=site.host,
        user_verification=UserVerificationRequirement.REQUIRED,
        allow_credentials=[PublicKeyCredentialDescriptor(key.credential_id) for key in known],
    )
    await _keep(db, options.challenge, officer_id, now)
    return webauthn.options_to_json(options)


async def proven(
    db: AsyncSession,
    site: Site,
    answer: Mapping[str, Any],
    *,
    now: datetime,
    officer_id: UUID | None = None,
) -> Officer:
    """Whose passkey has answered, the officer's who is asked for if any; raises PasskeyRefused."""
    challenge = await _answered(db, answer, officer_id, now)
    try:
        credential_id = base64url_to_bytes(answer["rawId"])
    except (KeyError, TypeError, ValueError) as exc:
        raise PasskeyRefused from exc
    key = await db.scalar(
        select(OfficerPasskey)
        .where(OfficerPasskey.credential_id == credential_id)
        .with_for_update()
    )
    if key is None or officer_id not in (None, key.officer_id):
        raise PasskeyRefused
    try:
        shown = webauthn.verify_authentication_response(
            credential=dict(answer),
            expected_challenge=challenge,
            expected_rp_id=site.host,
            expected_origin=site.origin,
            credential_public_key=key.public_key,
            credential_current_sign_count=key.sign_count,
            require_user_verification=True,
        )
    except (WebAuthnException, KeyError, TypeError, ValueError) as exc:
        raise PasskeyRefused from exc
    await db.execute(
        update(OfficerPasskey)
        .where(OfficerPasskey.credential_id == credential_id)
        .values(sign_count=shown.new_sign_count, last_used_at=now)
    )
    officer = await db.get(Officer, key.officer_id)
    if officer is None or officer.switched_off_at is not None:
        raise NotSignedIn
    return officer


async def remove(db: AsyncSession, officer_id: UUID, credential_id: bytes) -> str:
    """Forget a passkey; returns what it was called. Raises PasskeyNotFound."""
    name = await db.scalar(
        delete(OfficerPasskey)
        .where(OfficerPasskey.credential_id == credential_id)
        .where(OfficerPasskey.officer_id == officer_id)
        .returning(OfficerPasskey.name)
    )
    if name is None:
        raise PasskeyNotFound
    return str(name)


async def remove_all(db: AsyncSession, officer_id: UUID) -> None:
    await db.execute(delete(OfficerPasskey).where(OfficerPasskey.officer_id == officer_id))


async def _keep(db: AsyncSession, challenge: bytes, officer_id: UUID | None, now: datetime) -> None:
    await db.execute(delete(PasskeyChallenge).where(PasskeyChallenge.expires_at <= now))
    await db.execute(
        insert(PasskeyChallenge).values(
            challenge=challenge, officer_id=officer_id, expires_at=now + CHALLENGE_LIFETIME
        )
    )


async def _answered(
    db: AsyncSession, answer: Mapping[str, Any], officer_id: UUID | None, now: datetime
) -> bytes:
    """The challenge of ours that is answered, which is used up; raises PasskeyRefused."""
    try:
        told = parse_client_data_json(base64url_to_bytes(answer["response"]["clientDataJSON"]))
    except (WebAuthnException, KeyError, TypeError, ValueError) as exc:
        raise PasskeyRefused from exc
    kept = await db.scalar(
        delete(PasskeyChallenge)
        .where(PasskeyChallenge.challenge == told.challenge)
        .where(PasskeyChallenge.officer_id.is_not_distinct_from(officer_id))
        .where(PasskeyChallenge.expires_at > now)
        .returning(PasskeyChallenge.challenge)
    )
    if kept is None:
        raise PasskeyRefused
    return bytes(kept)
