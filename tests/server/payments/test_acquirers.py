"""Two acquirers at once, each a sandbox on a socket of its own, with its own keys and files."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from prometheus_client import REGISTRY
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession

from domain.payment import RefundMethod, RefundReason
from server import doctor, sample
from server.app import create_app
from server.database import new_id
from server.identity import service as identity
from server.payments import choices, inquiries, queries, refunds
from server.payments.acquirer import Acquirers
from server.payments.choices import Wish
from server.payments.refunds import RefundLimits, RefundRequest
from server.reconciliation import service as reconciliation
from server.sandbox.app import create_app as create_sandbox
from server.sandbox.settings import Settings as SandboxSettings
from server.settings import Settings
from server.system import make_keys
from tests.server.booking import all_due
from tests.server.cluster import CHECKER_PASSWORD
from tests.server.conftest import CLIENT_SECRET, Sandbox
from tests.server.payments.conftest import CAR_RP, EXCLUSIVE, FLAT, Office, on_a_socket
from tests.server.payments.voice import Voice, compact
from tests.system.kerb import until

B = "sandbox-b"
SECRET_B = "rahasia kedua"
MERCHANT_B = "KARCIS000000002"
PLAIN = "/v1.0/qr/qr-mpm-notify"
AT_B = f"/v1/acquirers/{B}{PLAIN}"


@dataclass
class Two:
    """An office with two acquirers; what it does is done on real sockets."""

    office: Office
    a: Sandbox
    b: Sandbox
    client: httpx.AsyncClient
    voice_b: Voice

    async def use(self, acquirer: str, zone: str = "", *, now: datetime | None = None) -> UUID:
        """Switch at once, as an officer on duty does."""
        async with self.office.transactions.begin() as db:
            who = await identity.officer_named(db, sample.OFFICER)
            wish = Wish(acquirer, zone, "tidak menjawab")
            acquirers = self.office.wired.acquirers
            return await choices.switch(db, who, wish, acquirers, now=now or datetime.now(UTC))

    async def issue(self, spot: str = FLAT) -> tuple[UUID, dict[str, Any]]:
        charge_id = await self.office.request(spot, minutes=60 if spot == EXCLUSIVE else None)
        return charge_id, await self.office.charge(charge_id)

    async def is_in(self, charge_id: UUID, state: str) -> None:
        async def there() -> bool:
            return bool((await self.office.charge(charge_id))["state"] == state)

        await until(there)

    async def ask_what_is_due(self) -> None:
        """What the job does, whenever a charge is next due."""
        wired, later = self.office.wired, datetime.now(UTC) + timedelta(minutes=2)
        async with self.office.transactions.begin() as db:
            due = await queries.due_references(db, later, 100)
        for name, reference in due:
            await inquiries.inquire(
                self.office.transactions, wired.acquirers[name], wired.announcer, wired.books,
                reference, datetime.now(UTC),
            )  # fmt: skip

    async def orders(self) -> tuple[set[str], set[str]]:
        """Our references that each acquirer knows."""
        a, b = [
            {order["partner_reference_no"] for order in (await each.truth())["orders"]}
            for each in (self.a, self.b)
        ]
        return a, b

    async def give_back(self, charge_id: UUID) -> dict[str, Any]:
        office, wired, now = self.office, self.office.wired, datetime.now(UTC)
        (money,) = await office.rows("SELECT * FROM money WHERE charge_id = :id", id=charge_id)
        wanted = RefundRequest(
            new_id(), money["id"], CAR_RP, RefundReason.OTHER, "uji", RefundMethod.ACQUIRER
        )
        async with office.transactions.begin() as db:
            maker = await identity.officer_named(db, sample.OFFICER)
            checker = await identity.officer_named(db, sample.CHECKER)
            told = (wired.acquirers, RefundLimits(500_000, 90), wired.books)
            await refunds.request(db, maker, wanted, *told, now=now)
        await refunds.approve(
            office.transactions, wired.acquirers, wired.announcer, wired.books, checker,
            wanted.refund_id, now=now,
        )  # fmt: skip
        (refund,) = await office.rows("SELECT * FROM refunds WHERE id = :id", id=wanted.refund_id)
        return refund

    async def tell(
        self, voice: Voice, charge_id: UUID, path: str, signed_for: str = ""
    ) -> httpx.Response:
        await self.office.learn(charge_id)
        voice.references.update(self.office.voice.references)
        content = compact(voice.body(charge_id, CAR_RP, "626100000009"))
        headers = voice.headers(content, at=datetime.now(UTC), path=signed_for or path)
        return await self.client.post(path, content=content, headers=headers)


@contextlib.asynccontextmanager
async def sandbox_on_a_socket(settings: SandboxSettings) -> AsyncIterator[Sandbox]:
    application = create_sandbox(settings)
    async with (
        application.router.lifespan_context(application),
        on_a_socket(application) as url,
        httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as client,
    ):
        yield Sandbox(client)


@pytest.fixture
async def two(settings: Settings, keys: Path, tmp_path: Path, voice: Voice) -> AsyncIterator[Two]:
    keys_b = tmp_path / "keys-b"
    keys_b.mkdir()
    make_keys(keys_b)
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    here = f"http://127.0.0.1:{bound.getsockname()[1]}"
    common: dict[str, Any] = {"partner_public_key": keys / "karcis.pub.pem"}
    async with (
        sandbox_on_a_socket(
            SandboxSettings(
                data=tmp_path / "a",
                client_secret=SecretStr(CLIENT_SECRET),
                private_key=keys / "acquirer.pem",
                notify_url=here,
                **common,
            )
        ) as a,
        sandbox_on_a_socket(
            SandboxSettings(
                data=tmp_path / "b",
                client_key="karcis-b",
                client_secret=SecretStr(SECRET_B),
                private_key=keys_b / "acquirer.pem",
                merchant_id=MERCHANT_B,
                notify_url=f"{here}/v1/acquirers/{B}",
                notify_client_key=f"acquirer-{B}",
                account="9990000025",
                **common,
            )
        ) as b,
    ):
        (tmp_path / "secret-b").write_text(f"{SECRET_B}\n")
        (tmp_path / "acquirers.toml").write_text(
            f"""
            [{B}]
            profile = "sandbox"
            url = "{b.client.base_url}"
            client_key = "karcis-b"
            client_secret_file = "secret-b"
            notify_client_secret_file = "secret-b"
            merchant_id = "{MERCHANT_B}"
            public_key = "keys-b/acquirer.pub.pem"
            settlement_mapping = "sandbox"
            """
        )
        application = create_app(
            settings.model_copy(
                update={
                    "acquirer_url": str(a.client.base_url),
                    "acquirers": tmp_path / "acquirers.toml",
                    "acquirer_timeout_s": 60.0,
                    "collecting_account": "9990000017,9990000025",
                }
            )
        )
        key = load_pem_private_key((keys_b / "acquirer.pem").read_bytes(), password=None)
        assert isinstance(key, RSAPrivateKey)
        async with (
            application.router.lifespan_context(application),
            on_a_socket(application, bound) as url,
            httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as client,
        ):
            voice_b = Voice(key, SECRET_B, MERCHANT_B)
            yield Two(Office(application, voice), a, b, client, voice_b)


async def test_what_is_open_at_one_is_finished_there_when_new_charges_go_to_the_other(two: Two):
    """Told, asked after and given back where it was issued, whoever is in force meanwhile."""
    told, at_a = await two.issue()
    silent, silent_at_a = await two.issue()
    assert {at_a["acquirer"], silent_at_a["acquirer"]} == {"sandbox"}
    await two.use(B)
    new, at_b = await two.issue()
    assert at_b["acquirer"] == B
    assert await two.orders() == ({told.hex, silent.hex}, {new.hex})

    for sandbox, charge_id, charge in ((two.a, told, at_a), (two.b, new, at_b)):
        await sandbox.pay(charge["qris"])
        await two.is_in(charge_id, "paid")
    await two.a.fault("drop_notifications", times=1_000)
    await two.a.pay(silent_at_a["qris"])
    await two.ask_what_is_due()
    await two.is_in(silent, "paid")

    for charge_id, name, sandbox in ((told, "sandbox", two.a), (new, B, two.b)):
        refund = await two.give_back(charge_id)
        assert (refund["state"], refund["acquirer"]) == ("done", name)
        made = [each["partner_refund_no"] for each in (await sandbox.truth())["refunds"]]
        assert made == [refund["reference"]]


def measured(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0


async def test_each_acquirers_calls_and_money_are_measured_under_its_name(two: Two):
    def counts(name: str) -> list[float]:
        call = "karcis_acquirer_call_seconds_count"
        return [
            measured(call, acquirer=name, call="generate", outcome="answered"),
            measured(call, acquirer=name, call="generate", outcome="unknown"),
            measured("karcis_paid_total", acquirer=name, by="notification"),
            measured("karcis_paid_total", acquirer=name, by="inquiry"),
        ]

    before = {name: counts(name) for name in ("sandbox", B)}
    told, at_a = await two.issue()
    await two.a.pay(at_a["qris"])
    await two.is_in(told, "paid")
    await two.a.fault("generate_no_answer_before_booking", times=1)
    await two.issue()
    await two.use(B)
    silent, at_b = await two.issue()
    await two.b.fault("drop_notifications", times=1_000)
    await two.b.pay(at_b["qris"])
    await two.ask_what_is_due()
    await two.is_in(silent, "paid")

    async def counted() -> bool:
        after = {name: counts(name) for name in before}
        grown = [[x - y for x, y in zip(after[n], before[n], strict=True)] for n in before]
        return grown == [[1, 1, 1, 0], [1, 0, 0, 1]]

    await until(counted)
    form = {"login": sample.CHECKER, "password": CHECKER_PASSWORD}
    await two.client.post("/office/sign-in", data=form)
    page = (await two.client.get("/office/health")).text
    assert f">{B}<" in page
    assert ">sandbox<" in page


async def test_handhelds_are_told_who_issues_in_each_zone_and_who_issued_what_they_keep(two: Two):
    handheld = await two.office.open_shift()

    async def told() -> tuple[dict[str, str], str]:
        master = (await two.client.get("/v1/masterdata", auth=handheld.signed)).json()
        body = {"id": str(new_id()), "vehicle_class": "car"}
        path = f"/v1/spots/{FLAT}/pooled-charges"
        kept = (await two.client.post(path, json=body, auth=handheld.signed)).json()
        return master["offline"]["issuers"], kept["issued_by"]

    issuers, issued_by = await told()
    assert (set(issuers.values()), issued_by) == ({"sandbox"}, "sandbox")
    zone = FLAT.partition("-")[0]
    await two.use(B, zone)
    assert await told() == (issuers | {zone: B}, B)


async def test_a_charge_that_one_left_in_doubt_is_never_issued_at_the_other(two: Two):
    await two.a.fault("generate_no_answer_before_booking", times=1)
    await two.a.fault("query_no_answer_before_booking", times=1_000)
    doubtful, charge = await two.issue()
    assert charge["state"] == "issue_unknown"
    await two.use(B)
    assert await two.office.request(charge_id=doubtful) == doubtful
    await two.ask_what_is_due()
    after = await two.office.charge(doubtful)
    assert (after["acquirer"], after["state"]) == ("sandbox", "issue_unknown")
    _, at_b = await two.issue()
    assert (at_b["acquirer"], at_b["state"]) == (B, "issued")
    assert doubtful.hex not in set().union(*await two.orders())


async def test_each_acquirer_is_heard_at_its_own_path_and_by_its_own_key_only(two: Two):
    charge_id, _ = await two.issue()
    refused = await two.tell(two.voice_b, charge_id, PLAIN)
    assert (refused.status_code, refused.json()["responseCode"]) == (401, "4015200")
    unknown = await two.tell(two.voice_b, charge_id, AT_B)
    assert (unknown.status_code, unknown.json()["responseCode"]) == (404, "4045201")
    # Signed by A for its own path, and brought to B's.
    moved = await two.tell(two.office.voice, charge_id, AT_B, signed_for=PLAIN)
    assert moved.status_code == 401
    for path in (f"/v1/acquirers/sandbox{PLAIN}", f"/v1/acquirers/nobody{PLAIN}"):
        assert (await two.tell(two.office.voice, charge_id, path)).status_code == 404
    assert (await two.office.charge(charge_id))["state"] == "issued"
    heard = await two.tell(two.office.voice, charge_id, PLAIN)
    assert (heard.status_code, heard.json()["responseCode"]) == (200, "2005200")
    await two.is_in(charge_id, "paid")


async def test_both_files_of_one_day_reconcile_to_nothing(two: Two):
    office, wired = two.office, two.office.wired
    for name in ("sandbox", B):
        await two.use(name)
        charge_id, charge = await two.issue()
        assert charge["acquirer"] == name
        await {"sandbox": two.a, B: two.b}[name].pay(charge["qris"])
        await two.is_in(charge_id, "paid")
    days = {row["business_day"] for row in await office.rows("SELECT business_day FROM money")}
    async with office.transactions.begin() as db:
        for day in days:  # one, unless midnight passed in between
            for name, sandbox in (("sandbox", two.a), (B, two.b)):
                await _take_in(db, two, name, sandbox, f"{day}")
        reports = [
            await reconciliation.reconcile(db, day, wired.books, now=all_due(day)) for day in days
        ]
    assert [report.differences for report in reports] == [()] * len(days)
    assert sum(report.collected_rp for report in reports) == 2 * CAR_RP
    assert sum(report.gross_rp for report in reports) == 2 * CAR_RP
    assert sum(len(report.matched) for report in reports) == 2
    settled = await office.rows("SELECT DISTINCT acquirer FROM settlement_lines ORDER BY 1")
    assert [row["acquirer"] for row in settled] == ["sandbox", B]


async def _take_in(db: AsyncSession, two: Two, name: str, sandbox: Sandbox, day: str) -> None:
    wired, now = two.office.wired, datetime.now(UTC)
    terms = wired.settings.terms_of(name)
    assert terms is not None
    await sandbox.client.post("/sandbox/day-end", json={"date": day})
    files = f"/sandbox/day-end/{day}"
    settlement = (await sandbox.client.get(f"{files}/settlement.csv")).content
    merchant = terms.merchant_id
    await reconciliation.import_settlement(
        db, name, f"{name}.csv", settlement, wired.books, now=now, merchant=merchant
    )
    statement = (await sandbox.client.get(f"{files}/statement.sta")).content
    await reconciliation.import_statement(db, f"{name}.sta", statement, wired.books, now=now)


async def test_the_latest_choice_that_covers_a_zone_counts(two: Two):
    now = datetime.now(UTC)
    await two.use(B, "PSR", now=now - timedelta(minutes=3))
    assert (await two.issue(FLAT))[1]["acquirer"] == B
    assert (await two.issue(EXCLUSIVE))[1]["acquirer"] == "sandbox", "another zone"
    await two.use("sandbox", now=now - timedelta(minutes=2))
    assert (await two.issue(FLAT))[1]["acquirer"] == "sandbox", "for all, and later"


async def test_an_acquirer_that_the_settings_no_longer_name_is_not_asked(two: Two):
    """Its charges and refunds wait in doubt: nobody else is asked for them."""
    await two.use(B)
    charge_id, charge = await two.issue()
    await two.b.pay(charge["qris"])
    await two.is_in(charge_id, "paid")
    unpaid, _ = await two.issue()
    wired, now = two.office.wired, datetime.now(UTC)
    left = Acquirers(wired.acquirers.first)
    told = (wired.announcer, wired.books)
    await inquiries.inquire(two.office.transactions, left[B], *told, unpaid.hex, now)
    assert (await two.office.charge(unpaid))["state"] == "issued"
    (money,) = await two.office.rows("SELECT * FROM money WHERE charge_id = :id", id=charge_id)
    wanted = RefundRequest(
        new_id(), money["id"], CAR_RP, RefundReason.OTHER, "uji", RefundMethod.ACQUIRER
    )
    limits = RefundLimits(500_000, 90)
    async with two.office.transactions.begin() as db:
        maker = await identity.officer_named(db, sample.OFFICER)
        with pytest.raises(refunds.MethodUnfit):
            await refunds.request(db, maker, wanted, left, limits, wired.books, now=now)


async def test_the_doctor_asks_each_acquirer(
    two: Two, keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = two.office.wired.settings
    for name, value in {
        "ACQUIRER_URL": settings.acquirer_url,
        "ACQUIRER_CLIENT_SECRET": CLIENT_SECRET,
        "NOTIFY_CLIENT_SECRET": CLIENT_SECRET,
        "ACQUIRER_PUBLIC_KEY": str(keys / "acquirer.pub.pem"),
        "PRIVATE_KEY": str(keys / "karcis.pem"),
        "ACQUIRERS": str(settings.acquirers),
        "ACQUIRER_TIMEOUT_S": "60",
    }.items():
        monkeypatch.setenv(f"KARCIS_{name}", value)

    async def told() -> dict[str, doctor.Finding]:
        return {found.what: found for found in await asyncio.to_thread(doctor.examine, tmp_path)}

    well = await told()
    assert (well["acquirer sandbox"].ok, well[f"acquirer {B}"].ok) == (True, True), well
    (tmp_path / "secret-b").write_text("lain")
    ill = await told()
    assert (ill["acquirer sandbox"].ok, ill[f"acquirer {B}"].ok) == (True, False), ill
