"""An attendant's card before the office: real, still good, on duty, and on which street."""

from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from attendant_app import scanner
from domain import card as kta
from domain.card import Card
from domain.proof import Seal
from server import sample
from server.database import Transactions
from server.identity import card_pictures as drawing
from server.identity import cards
from server.identity.service import AttendantNotFound
from server.payments.books import Books
from tests.domain.test_card import CARD, SEAL
from tests.server.handhelds import Handheld, on_shift
from tests.server.sync.test_closing import spots, take_cash


@pytest.fixture
async def handheld(api: httpx.AsyncClient, transactions: Transactions, now: datetime) -> Handheld:
    return await on_shift(api, transactions, now)


async def scan(api: httpx.AsyncClient, handheld: Handheld, text: str) -> dict[str, object]:
    answer = await api.post("/v1/barcodes/resolve", json={"text": text}, auth=handheld.signed)
    assert answer.json()["kind"] == "card", answer.text
    return dict(answer.json()["card"])


async def issue(
    transactions: Transactions, books: Books, now: datetime, days: int = 365
) -> tuple[Card, str]:
    last = books.day(now) + timedelta(days=days)
    async with transactions.begin() as db:
        card = await cards.issue(db, sample.ATTENDANT, last, now=now)
    assert books.seal is not None
    return card, kta.sign(books.seal, card)


async def test_a_card_says_who_is_on_duty_and_where(
    api: httpx.AsyncClient,
    transactions: Transactions,
    handheld: Handheld,
    books: Books,
    now: datetime,
) -> None:
    card, text = await issue(transactions, books, now)
    told = await scan(api, handheld, text)
    assert (told["verdict"], told["attendant"], told["place"]) == ("valid", sample.ATTENDANT, None)
    assert told["on_duty_since"] is not None
    spot, *_ = await spots(api, handheld)
    charge = (await take_cash(api, handheld, spot)).json()
    assert (await scan(api, handheld, text))["place"] == charge["place"]

    _, old = await issue(transactions, books, now, days=-1)
    assert (await scan(api, handheld, old))["verdict"] == "expired"
    stranger = kta.sign(Seal(Ed25519PrivateKey.generate()), card)
    assert (await scan(api, handheld, stranger))["verdict"] == "forged"
    # Signed by us and never issued, as by a database that was put back: not good.
    assert books.seal is not None
    unknown = Card(handheld.device_id, card.attendant, card.name, card.valid_until)
    assert (await scan(api, handheld, kta.sign(books.seal, unknown)))["verdict"] == "revoked"


async def test_a_lost_card_is_on_the_list_that_handhelds_fetch(
    api: httpx.AsyncClient,
    transactions: Transactions,
    handheld: Handheld,
    books: Books,
    now: datetime,
) -> None:
    card, text = await issue(transactions, books, now)
    await issue(transactions, books, now, days=-1)
    async with transactions.begin() as db:
        assert await cards.revoke(db, sample.ATTENDANT, "hilang", now=now) == 2
        assert await cards.revoke(db, sample.ATTENDANT, "hilang", now=now) == 0
    assert (await scan(api, handheld, text))["verdict"] == "revoked"
    master = (await api.get("/v1/masterdata", auth=handheld.signed)).json()
    assert master["cards"] == {"revoked": [str(card.id)]}
    async with transactions.begin() as db:
        with pytest.raises(AttendantNotFound):
            await cards.issue(db, "J-999", books.day(now), now=now)


def test_the_drawn_card_reads_back(tmp_path: Path) -> None:
    text = kta.sign(SEAL, CARD)
    picture = tmp_path / "card.png"
    drawing.draw(CARD, text, "Kabupaten Kotawaringin Timur", "Dinas Perhubungan").save(picture)
    assert scanner.decode(scanner.unpack(picture.read_bytes())) == [text]
