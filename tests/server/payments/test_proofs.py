"""Proofs of paid charges: given while the money is the office's, and read without asking it."""

import re
from base64 import b64decode
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from domain.proof import Seal, key_id, verify
from server.app import NotConfigured, create_app
from server.payments import barcodes, proofs, queries
from server.payments.books import Books
from tests.server.handhelds import on_shift
from tests.server.payments.conftest import CAR_RP, FLAT
from tests.server.payments.refunding import Desk


@pytest.fixture
async def desk(office, sandbox, owner_url) -> Desk:
    return await Desk.at(office, sandbox, owner_url)


@pytest.fixture
async def handheld(api, transactions, now):
    return await on_shift(api, transactions, now)


async def offline_keys(api, handheld):
    """What a handheld keeps for when the office is away."""
    told = (await api.get("/v1/masterdata", auth=handheld.signed)).json()["proofs"]
    return {name: b64decode(key) for name, key in told["keys"].items()}, told["revoked"]


async def test_a_paid_charge_is_proven_and_an_unpaid_one_is_not(desk, office, api, handheld):
    charge_id = await desk.paid()
    shown = (await api.get(f"/v1/charges/{charge_id}")).json()
    keys, revoked = await offline_keys(api, handheld)
    proof = verify(shown["proof"], keys)
    assert (proof.charge_id, proof.spot_code, proof.amount_rp) == (charge_id, FLAT, CAR_RP)
    assert proof.receipt_number == shown["receipt"]["number"]
    paid_at = datetime.fromisoformat(shown["paid_at"])
    assert proof.paid_at == paid_at.replace(microsecond=0)
    assert revoked == []

    unpaid = await office.request()
    assert (await api.get(f"/v1/charges/{unpaid}")).json()["proof"] is None
    answer = await api.get(f"/v1/charges/{unpaid}/proof.svg")
    assert (answer.status_code, answer.json()["type"].rsplit(":")[-1]) == (404, "no-proof")


async def test_the_drivers_page_shows_the_proof_as_a_code_of_its_own(desk, api):
    charge_id = await desk.paid()
    page = (await api.get(f"/c/{charge_id}")).text
    assert f'src="/v1/charges/{charge_id}/proof.svg"' in page
    assert "Ini bukan barcode pembayaran" in page
    svg = await api.get(f"/v1/charges/{charge_id}/proof.svg")
    assert svg.headers["content-type"] == "image/svg+xml"
    shown = (await api.get(f"/v1/charges/{charge_id}")).json()["proof"]
    modules = int(re.search(r'viewBox="0 0 (\d+)', svg.text)[1])
    assert modules <= 73, "about a QRIS's, so that a phone shows it well"
    assert svg.text == barcodes.svg(shown, "L")


async def test_money_that_goes_back_takes_its_proof_along(desk, api, handheld):
    charge_id = await desk.paid()
    text = (await api.get(f"/v1/charges/{charge_id}")).json()["proof"]
    (money,) = await desk.money(charge_id)
    refund_id = await desk.ask(money["id"], CAR_RP)
    assert (await api.get(f"/v1/charges/{charge_id}")).json()["proof"] == text, "only asked for"
    await desk.approve(refund_id)
    assert (await api.get(f"/v1/charges/{charge_id}")).json()["proof"] is None
    assert (await offline_keys(api, handheld))[1] == [str(charge_id)]
    answer = await api.post("/v1/barcodes/resolve", json={"text": text}, auth=handheld.signed)
    told = answer.json()
    assert (told["kind"], told["charge"]["state"]) == ("charge", "refunded")


async def test_a_proof_is_revoked_no_longer_than_it_would_be_taken(desk, transactions):
    charge_id = await desk.paid()
    (money,) = await desk.money(charge_id)
    await desk.approve(await desk.ask(money["id"], CAR_RP))
    now = datetime.now(UTC)
    async with transactions.begin() as db:
        assert await proofs.revoked(db, now) == [charge_id]
        assert await proofs.revoked(db, now + proofs.LIFETIME + timedelta(minutes=1)) == []


async def test_a_proof_that_nobody_of_ours_signed_is_named_for_what_it_is(desk, api, handheld):
    charge_id = await desk.paid()
    text = (await api.get(f"/v1/charges/{charge_id}")).json()["proof"]
    keys, _ = await offline_keys(api, handheld)
    stranger = Seal(Ed25519PrivateKey.generate()).sign(verify(text, keys))
    edited = text.rsplit(".", 1)[0] + "." + stranger.rsplit(".", 1)[1]
    for forged, why in ((stranger, "proof-unknown-key"), (edited, "proof-forged")):
        answer = await api.post("/v1/barcodes/resolve", json={"text": forged}, auth=handheld.signed)
        assert (answer.json()["kind"], answer.json()["text_kind"]) == ("unknown", why)


def test_a_retired_key_is_still_read_and_a_wrong_one_refuses_to_start(settings, tmp_path):
    former = Ed25519PrivateKey.generate().public_key()
    retired = tmp_path / "retired"
    retired.mkdir()
    pem = former.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (retired / "2025.pem").write_bytes(pem)
    books = Books.of(settings.model_copy(update={"proof_retired_keys": retired}))
    assert books.seal is not None
    assert books.proof_keys == {
        key_id(former.public_bytes_raw()): former.public_bytes_raw(),
        books.seal.key_id: books.seal.public,
    }
    (retired / "other.pem").write_bytes((settings.acquirer_public_key).read_bytes())
    for unfit in (
        {"proof_retired_keys": retired},
        {"proof_key": settings.private_key},
        {"proof_key": tmp_path / "none.pem"},
    ):
        with pytest.raises(NotConfigured, match="the key of proofs"):
            create_app(settings.model_copy(update=unfit))


async def test_without_a_key_no_proof_is_given(settings, desk, transactions):
    charge_id = await desk.paid()
    async with transactions.begin() as db:
        view = await queries.charge_view(db, charge_id)
    assert view is not None
    assert proofs.of_view(view, Books.of(settings)) is not None
    assert proofs.of_view(view, Books.of(settings.model_copy(update={"proof_key": None}))) is None
