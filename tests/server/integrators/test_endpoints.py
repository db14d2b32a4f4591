"""A program that follows a list sees every row, whatever order transactions end in."""

import asyncio
import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest
from sqlalchemy import text

from server import schema
from server.database import Transactions, plain_url
from server.identity.api_keys import Scope
from server.integrators import feed
from server.payments.books import Books
from server.spots import service as spots
from tests.server.booking import SPOT, book
from tests.server.conftest import IssueKey

PAID_AT = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)


@pytest.fixture
async def headers(issue_key: IssueKey) -> dict[str, str]:
    return await issue_key(*Scope)


class Till:
    """Books payments, one transaction each."""

    def __init__(self, transactions: Transactions, books: Books) -> None:
        self.transactions, self.books, self.count = transactions, books, 0

    async def pay(self, db: Any = None) -> str:
        self.count += 1
        reference = f"kami-{self.count}"
        booked = {
            "reference": reference,
            "acquirer_reference": f"ACQ-{self.count}",
            "rrn": str(self.count),
            "amount_rp": 2_000,
            "paid_at": PAID_AT,
        }
        if db is not None:
            await book(db, self.books, **booked)
        else:
            async with self.transactions.begin() as own:
                await book(own, self.books, **booked)
        return reference


@pytest.fixture
def till(transactions: Transactions, books: Books) -> Till:
    return Till(transactions, books)


async def test_lists_are_read_page_by_page_to_their_end(
    api: httpx.AsyncClient, headers: dict[str, str], till: Till
) -> None:
    for _ in range(5):
        await till.pay()
    for path, name, count in (
        ("/v1/charges", "id", 5),
        ("/v1/receipts", "number", 5),
        ("/v1/spots", "code", None),
    ):
        seen, cursor, more = [], None, True
        while more:
            query = {"limit": 2, **({"cursor": cursor} if cursor else {})}
            page = (await api.get(path, params=query, headers=headers)).json()
            assert len(page["items"]) <= 2
            seen += [item[name] for item in page["items"]]
            cursor, more = page["next"], page["more"]
        # A charge comes again on a later page when it changed again.
        assert name == "id" or len(seen) == len(set(seen))
        assert count is None or len(set(seen)) == count
        end = (await api.get(path, params={"cursor": cursor}, headers=headers)).json()
        assert end == {"next": cursor, "more": False, "items": []}


async def test_a_listed_charge_says_what_it_is_without_plate_or_person(
    api: httpx.AsyncClient, headers: dict[str, str], till: Till
) -> None:
    await till.pay()
    [charge] = (await api.get("/v1/charges", headers=headers)).json()["items"]
    [receipt] = (await api.get("/v1/receipts", headers=headers)).json()["items"]
    assert (charge["spot"], charge["state"], charge["amount_rp"]) == (SPOT, "paid", 2_000)
    assert (charge["receipt"], charge["id"]) == (receipt["number"], receipt["charge_id"])
    assert receipt["url"].endswith(f"/r/{receipt['number']}")
    assert not {"plate", "plate_masked", "rrn", "qris"} & {*charge, *receipt}


async def test_what_commits_late_is_not_missed(
    api: httpx.AsyncClient, headers: dict[str, str], till: Till, transactions: Transactions
) -> None:
    """The first to begin is the last to commit, while a program follows all the time."""
    seen: list[str] = []
    cursor = ""

    async def follow() -> None:
        nonlocal cursor
        query = {"cursor": cursor} if cursor else {}
        page = (await api.get("/v1/charges", params=query, headers=headers)).json()
        seen.extend(item["id"] for item in page["items"])
        cursor = page["next"]

    async with transactions() as slow:
        await slow.execute(text("SELECT pg_current_xact_id()"))
        await till.pay()
        await follow()
        assert seen == [], "what committed waits for what began before it"
        await till.pay(slow)
        await slow.commit()
    await follow()
    assert len(seen) == 2
    await till.pay()
    await follow()
    assert len(seen) == len(set(seen)) == 3


async def test_following_while_many_pay_at_once_misses_nobody(
    api: httpx.AsyncClient, headers: dict[str, str], till: Till
) -> None:
    seen: set[str] = set()
    cursor, done = "", False

    async def follow() -> None:
        nonlocal cursor
        while True:
            last = done
            query = {"limit": 3, **({"cursor": cursor} if cursor else {})}
            page = (await api.get("/v1/receipts", params=query, headers=headers)).json()
            assert not seen & {item["number"] for item in page["items"]}
            seen.update(item["number"] for item in page["items"])
            cursor = page["next"]
            if last and not page["more"]:
                return

    async def pay_some() -> None:
        for _ in range(4):
            await till.pay()

    following = asyncio.create_task(follow())
    await asyncio.gather(*(pay_some() for _ in range(10)))
    done = True
    await following
    assert len(seen) == 40


async def test_since_a_moment_gives_all_that_was_written_after_it(
    api: httpx.AsyncClient, headers: dict[str, str], till: Till, transactions: Transactions
) -> None:
    await till.pay()
    before = datetime.now(UTC)
    await till.pay()

    async def since(moment: datetime) -> int:
        query = {"modified_since": moment.isoformat()}
        return len((await api.get("/v1/charges", params=query, headers=headers)).json()["items"])

    # The margin of a minute takes the first one in as well; later than that, the last comes again.
    assert await since(before) == 2
    assert await since(datetime.now(UTC) + timedelta(minutes=2)) == 1
    for moment in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59+14:00"):
        query = {"modified_since": moment}
        answer = await api.get("/v1/spots", params=query, headers=headers)
        assert answer.status_code == 200
    for unclear in ("2026-11-21T00:00:00", "1700000000"):
        refused = await api.get("/v1/spots", params={"modified_since": unclear}, headers=headers)
        assert refused.status_code == 422


async def test_since_a_moment_gives_what_a_transaction_begun_long_before_wrote(
    api: httpx.AsyncClient,
    headers: dict[str, str],
    till: Till,
    transactions: Transactions,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feed, "SLOWEST_CHANGE", timedelta(0))  # so that all here is long enough
    async with transactions() as slow:
        await slow.execute(text("SELECT pg_current_xact_id()"))
        await till.pay()
        await asyncio.sleep(0.01)
        moment = datetime.now(UTC)
        await till.pay(slow)
        await slow.commit()
    query = {"modified_since": moment.isoformat()}
    for path in ("/v1/charges", "/v1/receipts"):
        page = (await api.get(path, params=query, headers=headers)).json()
        assert len(page["items"]) == 2, path


async def test_a_spot_comes_again_when_something_of_it_changed(
    api: httpx.AsyncClient, headers: dict[str, str], transactions: Transactions
) -> None:
    first = (await api.get("/v1/spots", params={"limit": 500}, headers=headers)).json()
    line = "zone,zone_name,spot,place,latitude,longitude,exclusive\n"
    known = first["items"][0]
    row = [known["zone"], known["zone_name"], known["code"], known["place"]]
    row += [
        str(known["latitude"]),
        str(known["longitude"]),
        "no" if not known["exclusive"] else "yes",
    ]
    for place, changed in ((known["place"], 0), ("Depan toko", 1)):
        row[3] = place
        async with transactions.begin() as db:
            await spots.import_spots(db, line + ",".join(row) + "\n")
        page = await api.get("/v1/spots", params={"cursor": first["next"]}, headers=headers)
        assert len(page.json()["items"]) == changed


async def test_an_unchanged_answer_is_not_sent_again(
    api: httpx.AsyncClient, headers: dict[str, str], till: Till
) -> None:
    await till.pay()
    for path in ("/v1/charges", "/v1/receipts", "/v1/spots"):
        first = await api.get(path, headers=headers)
        assert ("last-modified" in first.headers) == (path != "/v1/spots")
        known = {**headers, "If-None-Match": f'"x", {first.headers["etag"]}'}
        again = await api.get(path, headers=known)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
    await till.pay()
    first = await api.get("/v1/charges", headers=known)
    assert first.status_code == 200


@pytest.mark.parametrize("plain", ["", "x", "1:2", "1:2:3", "{cluster}:-1:", "{cluster}:1:x"])
async def test_a_cursor_of_another_database_is_refused(
    api: httpx.AsyncClient, headers: dict[str, str], plain: str
) -> None:
    given = (await api.get("/v1/charges", headers=headers)).json()["next"]
    cluster = base64.urlsafe_b64decode(given + "==").decode().split(":")[0]
    cursor = base64.urlsafe_b64encode(plain.format(cluster=cluster).encode()).decode()
    answer = await api.get("/v1/charges", params={"cursor": cursor}, headers=headers)
    assert (answer.status_code, answer.json()["slug"]) == (409, "cursor-not-usable")


async def test_balances_sum_to_zero(
    api: httpx.AsyncClient, headers: dict[str, str], till: Till
) -> None:
    await till.pay()
    accounts = (await api.get("/v1/ledger/balances", headers=headers)).json()["accounts"]
    assert sum(account["balance_rp"] for account in accounts) == 0
    assert any(account["balance_rp"] for account in accounts)


async def test_a_restored_dump_is_listed_once_it_was_migrated(
    api: httpx.AsyncClient, headers: dict[str, str], till: Till, owner_url: str
) -> None:
    await till.pay()
    owner = await asyncpg.connect(plain_url(owner_url))
    for table in ("charge_changes", "receipts", "spots"):
        await owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        await owner.execute(f"UPDATE {table} SET written_in = written_in + 1_000_000_000")
        if table == "charge_changes":
            await owner.execute(
                f"UPDATE {table} SET oldest_running = oldest_running + 1_000_000_000"
            )
        await owner.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    lists = ("/v1/charges", "/v1/receipts", "/v1/spots")
    for path in lists:
        assert (await api.get(path, headers=headers)).json()["items"] == []
    await asyncio.to_thread(schema.migrate, owner_url)
    for path in lists:
        for since in ({}, {"modified_since": "2020-01-01T00:00:00Z"}):
            answer = await api.get(path, headers=headers, params=since)
            assert answer.json()["items"] != []
    with pytest.raises(asyncpg.PostgresError, match="insert-only"):
        await owner.execute("UPDATE receipts SET written_in = 1")
    await owner.close()
