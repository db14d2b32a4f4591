"""What a stay asks of the office: in its order, kept without a plate, and never off the list."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from attendant_app import device_key, stays
from attendant_app.runtime import Handheld
from attendant_app.settings import Settings
from attendant_app.store import Shift, Store, stamp
from domain.payment import ChargeKind
from tests.attendant_app.builders import MASTER_DATA, SPOT

Answer = Callable[[httpx.Request], httpx.Response]


@asynccontextmanager
async def on_shift(folder: Path, answer: Answer) -> AsyncIterator[Handheld]:
    """A handheld on shift whose requests are answered so."""
    now, store = datetime.now(UTC), Store(folder)
    store.enrol("d-1", "HH", now)
    store.start_shift(Shift("s-1", "J-001", "Ahmad", "token", stamp(now), stamp(now)))
    store.save_master_data(MASTER_DATA, now)
    transport = httpx.MockTransport(answer)
    async with httpx.AsyncClient(transport=transport, base_url="http://o") as http:
        key = device_key.load_or_make(folder)
        yield Handheld(Settings(data=folder), store, key, http)
    store.close()


async def test_a_refused_stay_keeps_no_plate(tmp_path: Path) -> None:
    def office(request: httpx.Request) -> httpx.Response:
        assert json.loads(request.content)["plate"] == "DA 1234 AB"
        return httpx.Response(409, json={"slug": "spot-occupied", "title": "Terisi"})

    async with on_shift(tmp_path, office) as handheld:
        stays.start(handheld, SPOT, "truck", "DA 1234 AB")
        await stays.send(handheld)
        (request,) = handheld.store.db.execute("SELECT refused, body FROM stay_requests")
    assert request["refused"] == 1
    assert "plate" not in json.loads(request["body"])


async def test_a_clock_put_back_neither_holds_nor_turns_round_what_is_sent(tmp_path: Path) -> None:
    sent = []

    def office(request: httpx.Request) -> httpx.Response:
        sent.append((request.url.path.rpartition("/")[2], json.loads(request.content)))
        stay_id = sent[0][1]["id"]
        return httpx.Response(200, json={"id": stay_id, "state": "open", "owed_rp": 0})

    async with on_shift(tmp_path, office) as handheld:
        stay = stays.start(handheld, SPOT, "truck")
        a_day_on = stamp(datetime.now(UTC) + timedelta(days=1))
        handheld.store.db.execute(
            "UPDATE stay_requests SET id = 'z', made_at = ?, next_try_at = ?", (a_day_on, a_day_on)
        )
        handheld.link.online = False
        await stays.leave(handheld, stay.id)
        await stays.send(handheld)
    assert [path for path, _ in sent] == ["stays", "end"]
    assert "told_at" in sent[0][1], "how long ago it began, nobody here can say"


async def test_a_clock_put_back_lets_no_charge_go_before_the_end_it_pays(tmp_path: Path) -> None:
    def office(request: httpx.Request) -> httpx.Response:
        return httpx.Response(503)

    async with on_shift(tmp_path, office) as handheld:
        store, now = handheld.store, datetime.now(UTC)
        stay = stays.start(handheld, SPOT, "truck")
        store.db.execute("DELETE FROM stay_requests")
        handheld.link.online = False
        await stays.leave(handheld, stay.id)
        store.db.execute("UPDATE stay_requests SET id = 'z'")
        charge = await stays.collect(handheld, stay.id, ChargeKind.VOUCHER)
        assert store.outgoing_due(now + timedelta(minutes=1)) == []
        store.db.execute("UPDATE stay_requests SET id = '0'")
        due = (stamp(now + timedelta(minutes=1)), stamp(now + timedelta(hours=1)))
        (end,) = store.db.execute(stays.DUE, due)
        assert end["path"].endswith("/end")
        store.db.execute("DELETE FROM stay_requests")
        (voucher,) = store.outgoing_due(now + timedelta(minutes=1))
        assert voucher.charge_id == charge.id
        store.db.execute("UPDATE outbox SET id = 'z'")
        stays.void(handheld, stay.id, "wrong_vehicle")
        assert list(store.db.execute(stays.DUE, due)) == [], "the voucher was written before"


async def test_a_stay_is_listed_however_many_came_and_went_since(tmp_path: Path) -> None:
    async with on_shift(tmp_path, lambda _: httpx.Response(503)) as handheld:
        first = stays.start(handheld, SPOT, "truck")
        gone = json.dumps({"state": "ended", "owed_rp": 0})
        for _ in range(150):
            later = stays.start(handheld, SPOT, "truck").id
            handheld.store.db.execute("UPDATE stays SET known = ? WHERE id = ?", (gone, later))
        assert [stay.id for stay in stays.listed(handheld)] == [first.id]
