"""The office over HTTP: nothing is done for anyone who is not signed in, and the cookie is safe."""

import hashlib
import html
import re
from calendar import monthrange
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select

from domain.mdr import MerchantCriteria
from domain.tariff import tariff_from_json
from server import paging, sample
from server.app import create_app
from server.database import Transactions
from server.identity import service as identity
from server.identity.models import Role
from server.office import queries
from server.paging import PAGE
from server.payments.arrivals import Arrival, record_one
from server.payments.books import Books
from server.payments.models import Charge, Inquiry
from server.reconciliation.mappings import SettlementMapping, mapping
from server.reconciliation.models import Discrepancy, ImportedFile
from server.reports.models import ReportDownload
from server.reports.targets import set_target
from server.settings import Settings
from server.spots.models import Closure, Tariff, Zone
from server.webhooks.models import Subscription
from tests.server.booking import book
from tests.server.cluster import PASSWORD
from tests.server.reconciliation.test_discrepancies import AT
from tests.server.reconciliation.test_service import DAY as OF_DAY
from tests.server.reconciliation.test_service import Office, booked, line, settlement, statement

FIXTURES = Path(__file__).parents[3] / "fixtures" / "settlements"
SETTLEMENT = {"file": ("s.csv", (FIXTURES / "clean.csv").read_bytes())}
DAY = {"date": "2026-11-21"}
CONFIRMED = {"password": PASSWORD}


async def sign_in(api: httpx.AsyncClient, **changes: str) -> httpx.Response:
    form = {"login": sample.OFFICER, "password": PASSWORD, **changes}
    return await api.post("/office/sign-in", data=form)


async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(
    api: httpx.AsyncClient,
) -> None:
    answer = await sign_in(api)
    assert (answer.status_code, answer.headers["location"]) == (303, "/office")
    parts = {part.strip().lower() for part in answer.headers["set-cookie"].split(";")[1:]}
    assert {"httponly", "samesite=strict", "max-age=28800", "path=/"} <= parts
    assert "secure" not in parts  # this one is served without TLS, on one machine
    assert PASSWORD not in answer.headers["set-cookie"]


async def test_the_cookie_travels_only_over_tls_where_there_is_tls(settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"public_url": "https://parkir.example"}))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="https://parkir.example") as api:
        answer = await sign_in(api)
    assert "; secure" in answer.headers["set-cookie"].lower()
    await app.state.engine.dispose()


async def test_nothing_is_done_for_strangers(
    api: httpx.AsyncClient, transactions: Transactions, subtests: pytest.Subtests
) -> None:
    for cookie in (None, "rubbish", "a\u00e9b"):
        headers = {} if cookie is None else {"Cookie": f"karcis_office={cookie}".encode("latin-1")}
        for work in ("reconcile", "settlement", "statement", "close"):
            path = f"/office/{work}"
            with subtests.test(f"{path} {cookie}"):
                answer = await api.post(path, data=DAY, files=SETTLEMENT, headers=headers)
                assert (answer.status_code, answer.json()["slug"]) == (401, "not-signed-in")
        page = await api.get("/office", headers=headers)
        assert (page.status_code, page.headers["location"]) == (303, "/office/sign-in")
    async with transactions.begin() as db:
        for table in (ImportedFile, Discrepancy):
            assert await db.scalar(select(func.count()).select_from(table)) == 0


async def test_an_officer_takes_in_a_file_and_a_bad_one_is_a_problem(
    api: httpx.AsyncClient, transactions: Transactions
) -> None:
    await sign_in(api)
    answer = await api.post("/office/settlement", data=DAY, files=SETTLEMENT)
    assert (answer.status_code, answer.json()["slug"]) == (403, "confirmation-needed")
    answer = await api.post("/office/settlement", data=DAY | CONFIRMED, files=SETTLEMENT)
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        "/office/reconciliation?date=2026-11-21&lines=4&total_rp=17874&known=0",
    )
    page = (await api.get(answer.headers["location"])).text
    assert "4 baris baru, Rp17.874; 0 sudah dikenal" in page
    again = await api.post("/office/settlement", data=DAY | CONFIRMED, files=SETTLEMENT)
    assert "lines=0&total_rp=0&known=4" in again.headers["location"]
    bad = {"file": ("s.csv", b"x\0y")}
    for path in ("/office/settlement", "/office/statement"):
        answer = await api.post(path, data=DAY | CONFIRMED, files=bad)
        assert (answer.status_code, answer.json()["slug"]) == (422, "file-not-taken")
        assert answer.json()["detail"] == "baris 1: bukan teks (NUL)"
        wanted = {"Accept": "text/html", "Accept-Language": "en"}
        answer = await api.post(path, data=DAY | CONFIRMED, files=bad, headers=wanted)
        assert "line 1: not text (NUL)" in answer.text
    for path in ("/office/settlement", "/office/statement", "/office/reconcile"):
        assert (
            await api.post(path, data=CONFIRMED | {"date": "kemarin"}, files=SETTLEMENT)
        ).status_code == 422
    async with transactions.begin() as db:
        assert await db.scalar(select(func.count()).select_from(ImportedFile)) == 1
    assert (await api.get("/office/reconciliation?date=kemarin")).status_code == 422


async def test_with_two_acquirers_a_file_is_of_the_one_that_was_chosen(
    settings: Settings, keys: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("rahasia")
    (tmp_path / "acquirers.toml").write_text(
        f"""
        [bank-lain]
        profile = "sandbox"
        url = "http://127.0.0.1:9"
        client_key = "karcis"
        client_secret_file = "secret"
        notify_client_secret_file = "secret"
        merchant_id = "LAIN"
        public_key = "{keys / "acquirer.pub.pem"}"
        settlement_mapping = "sandbox"
        """
    )
    app = create_app(settings.model_copy(update={"acquirers": tmp_path / "acquirers.toml"}))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url=settings.base_url) as api:
        await sign_in(api)
        told = DAY | CONFIRMED
        for path in ("/office/settlement", "/office/settlement/preview"):
            answer = await api.post(path, data=told, files=SETTLEMENT)
            assert (answer.status_code, answer.json()["slug"]) == (422, "file-of-nobody")
        answer = await api.post(
            "/office/settlement", data=told | {"acquirer": "sandbox"}, files=SETTLEMENT
        )
        assert answer.status_code == 303, answer.text
        other = told | {"acquirer": "bank-lain"}
        answer = await api.post("/office/settlement", data=other, files=SETTLEMENT)
        assert answer.json()["detail"] == "berkas ini sudah diterima sebagai berkas sandbox"
        shown = {"Accept": "text/html"}
        answer = await api.post(
            "/office/settlement/preview", data=other, files=SETTLEMENT, headers=shown
        )
        assert "sudah diterima sebagai berkas sandbox" in answer.text
    await app.state.engine.dispose()


async def test_a_time_that_names_another_clock_closes_nothing(
    api: httpx.AsyncClient, transactions: Transactions
) -> None:
    await sign_in(api)
    told = CONFIRMED | {"zone": "PSR", "reason": "event"}
    for time in ("2998-01-01T08:00Z", "2998-01-01T08:00+07:00", "2998-01-01T08:00"):
        answer = await api.post("/office/closures", data=told | {"starts": time})
        assert answer.status_code == (422 if time[16:] else 303), answer.text
    async with transactions.begin() as db:
        assert await db.scalar(select(func.count()).select_from(Closure)) == 1


async def test_a_file_is_read_by_the_mapping_chosen_and_never_by_a_file_of_the_servers(
    api: httpx.AsyncClient, transactions: Transactions, tmp_path: Path
) -> None:
    await sign_in(api)
    own = tmp_path / "own.toml"
    own.write_text("")
    nicepay = {"file": ("n.csv", (FIXTURES / "nicepay.csv").read_bytes())}
    for path in ("/office/settlement", "/office/settlement/preview"):
        for name in ("dana", str(own), "../x"):
            told = DAY | CONFIRMED | {"mapping": name}
            answer = await api.post(path, data=told, files=nicepay, headers={"Accept": "text/html"})
            assert answer.status_code == 422
            assert f"tidak ada pemetaan &#39;{name}&#39;; ada: " in answer.text
    assert (
        await api.post("/office/settlement", data=DAY | CONFIRMED, files=nicepay)
    ).status_code == 422
    told = DAY | {"mapping": "nicepay-like"}
    assert (
        "Belum ada yang disimpan"
        in (await api.post("/office/settlement/preview", data=told, files=nicepay)).text
    )
    answer = await api.post("/office/settlement", data=told | CONFIRMED, files=nicepay)
    assert (answer.status_code, "known=0" in answer.headers["location"]) == (303, True)
    nothing = {"file": ("", b"")}
    assert (
        await api.post("/office/settlement/preview", data=DAY, files=nothing)
    ).status_code == 422


async def test_only_the_file_that_was_previewed_is_taken_in_after_its_preview(
    api: httpx.AsyncClient, transactions: Transactions
) -> None:
    await sign_in(api)
    content = SETTLEMENT["file"][1]
    shown = (await api.post("/office/settlement/preview", data=DAY, files=SETTLEMENT)).text
    (digest,) = re.findall(r'name="sha256" value="([0-9a-f]{64})"', shown)
    assert digest == hashlib.sha256(content).hexdigest()
    told = DAY | CONFIRMED | {"sha256": digest}
    other = {"file": ("s.csv", content + b"\n")}
    for path in ("settlement", "statement", "payouts/results"):
        answer = await api.post(f"/office/{path}", data=told, files=other)
        assert (answer.status_code, answer.json()["slug"]) == (422, "file-not-previewed"), path
    async with transactions.begin() as db:
        assert await db.scalar(select(func.count()).select_from(ImportedFile)) == 0
    answer = await api.post("/office/settlement", data=told, files=SETTLEMENT)
    assert "lines=4" in answer.headers["location"]


async def test_files_are_listed_page_by_page_and_given_back_as_they_came(
    api: httpx.AsyncClient,
    transactions: Transactions,
    books: Books,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(paging, "PAGE", 2)
    await sign_in(api)
    assert "Belum ada berkas." in (await api.get("/office/imports")).text
    content = SETTLEMENT["file"][1]
    for name in ("a.csv", 'b"\0;\u00e9\r\n<i>.csv', "c.csv"):
        content += b"\n"
        file = {"file": (name, content)}
        answer = await api.post("/office/settlement", data=DAY | CONFIRMED, files=file)
        assert answer.status_code == 303
    page = (await api.get("/office/imports")).text
    assert hashlib.sha256(content).hexdigest() in page
    assert page.index("c.csv") < page.index("&lt;i&gt;.csv")
    assert "a.csv" not in page
    assert "Rp17.874" not in page
    older = (await api.get("/office/imports" + re.findall(r"\?before=[0-9a-f-]+", page)[0])).text
    assert "a.csv" in older
    assert "Rp17.874" in older
    version = mapping(SettlementMapping, "sandbox").version.hex()
    assert f'title="{version}">versi {version[:8]}' in older
    statement = {"file": ("s.sta", (FIXTURES / "clean.sta").read_bytes())}
    assert (
        await api.post("/office/statement", data=DAY | CONFIRMED, files=statement)
    ).status_code == 303
    assert "MT940" in (await api.get("/office/imports")).text
    content_of_other = statement["file"][1].replace(b"0011223344", b"9988776655")
    refused = await api.post(
        "/office/statement", data=DAY | CONFIRMED, files={"file": ("o.sta", content_of_other)}
    )
    assert (refused.status_code, refused.json()["slug"]) == (422, "statement-of-other-account")
    assert "9988776655" in refused.json()["detail"]
    preview = {"file": ("o.sta", content_of_other)}
    shown = await api.post("/office/statement/preview", data=DAY, files=preview)
    assert shown.status_code == 422
    assert "dari rekening 9988776655; rekening penerimaan adalah 0011223344" in shown.text
    (first, middle) = re.findall(r"/office/imports/[0-9a-f-]+/original", page)
    answer = await api.get(first)
    assert answer.content == content
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''c.csv"
    assert (await api.get(middle)).headers["content-disposition"].startswith("attachment; ")
    unknown = await api.get("/office/imports/00000000-0000-0000-0000-000000000000/original")
    assert (unknown.status_code, unknown.json()["slug"]) == (404, "file-not-found")
    for after in ("x", "0"):
        assert (await api.get(f"/office/imports?before={after}")).status_code == 422
    async with transactions.begin() as db:
        _, newest = await db.scalars(select(ReportDownload).order_by(ReportDownload.id.desc()))
        await identity.add_officer(
            db, login="auditor", name="A", role=Role.AUDITOR, password=PASSWORD
        )
    assert (newest.who, newest.report, newest.form) == (sample.OFFICER, "berkas-asli", "original")
    assert (newest.sha256, newest.row_count) == (hashlib.sha256(content).digest(), 0)
    await sign_in(api, login="auditor")
    told = (await api.get("/office/audit")).text
    assert "berkas-asli, file c.csv, kind settlement" in told
    assert hashlib.sha256(content).hexdigest()[:16] in told


async def test_a_day_tells_how_what_agrees_was_known(
    api: httpx.AsyncClient,
    transactions: Transactions,
    books: Books,
    now: datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(paging, "PAGE", 1)
    office = Office(transactions, replace(books, merchant_criteria=MerchantCriteria.P2G), now)
    await office.book([booked(1, AT), booked(2, AT), {**booked(3, AT), "rrn": None}])
    lines = (line(1, AT), line(2, AT), line(3, AT, batch="BCH-B2"))
    await office.settle(settlement(*lines))
    paid_in = ((4000, "PENCAIRAN BCH-A1"), (1500, "BCH-B2 BAGIAN 1"), (500, "BCH-B2 BAGIAN 2"))
    await office.bank(statement(OF_DAY, *paid_in))
    await sign_in(api)
    day = {"date": str(OF_DAY)}
    before = html.unescape((await api.get("/office/reconciliation", params=day)).text)
    assert "Yang cocok" not in before
    assert (await api.post("/office/reconcile", data=day)).status_code == 303
    page = (await api.get("/office/reconciliation", params=day)).text
    rows = [re.sub("<[^>]+>", "|", row) for row in re.findall("<tr>(.*?)</tr>", page)]
    told = [re.sub(r"\|+", "|", row).strip("|") for row in rows]
    same = "acuan acquirer dan nomor jaringan (RRN) sama|pasti: nomor dari jaringan sama"
    without = (
        "acuan acquirer dan jumlah sama; buku tanpa RRN|sangat mungkin: satu nomor tidak disebut"
    )
    assert {f"{same}|2|Rp4.000", f"{without}|1|Rp2.000"} <= {*told}
    whole, split = "utuh: satu kredit bank", "terbagi: beberapa kredit bank"
    assert {f"{whole}|1|Rp4.000", f"{split}|1|Rp2.000", f"BCH-A1|{whole}|1|Rp4.000"} <= {*told}
    assert "BCH-B2" not in page.partition('id="masuk"')[2].partition("</table>")[0]
    (more,) = re.findall(r'href="([^"]*paid=2)#masuk"', page)
    second = re.sub("<[^>]+>", "|", (await api.get(html.unescape(more))).text)
    assert re.search(rf"BCH-B2\|+{split}\|+2\|+Rp2.000", second)
    async with transactions.begin() as db:
        charge_id = await db.scalar(select(Charge.id).where(Charge.reference == "kami-3"))
    one = (await api.get(f"/office/charges/{charge_id}", params={"lang": "en"})).text
    assert "Rp2.000, BCH-B2: the acquirer's reference and the amount are the same" in one
    assert "the books have no RRN (very likely: one of the numbers is not told)" in one


async def test_odd_names_sign_nobody_in(api: httpx.AsyncClient, subtests: pytest.Subtests) -> None:
    for login in ("", "x" * 81, "a\0b", sample.OFFICER.upper(), " "):
        with subtests.test(repr(login[:9])):
            answer = await sign_in(api, login=login)
            assert answer.status_code in (401, 422)
            assert "set-cookie" not in answer.headers


async def test_the_day_counts_what_was_paid_exactly_by_zone(
    transactions: Transactions, books: Books
) -> None:
    async def pay(number: int, amount_rp: int, at: datetime) -> None:
        async with transactions.begin() as db:
            await book(
                db,
                books,
                reference=f"kami-{number}",
                acquirer_reference=f"ACQ-{number}",
                rrn=None,
                amount_rp=amount_rp,
                paid_at=at,
            )

    await pay(1, 2000, datetime(2026, 11, 21, 16, 59, tzinfo=UTC))
    await pay(2, 4000, datetime(2026, 11, 21, 17, 0, tzinfo=UTC))  # midnight in Jakarta
    await pay(3, 5000, datetime(2026, 11, 21, 18, 0, tzinfo=UTC))
    async with transactions.begin() as db:
        for day, count, amount_rp in ((21, 1, 2000), (22, 2, 9000), (23, 0, 0)):
            zones = await queries.collected_by_zone(db, date(2026, 11, day))
            assert len(zones) == 6
            assert [(z.count, z.amount_rp) for z in zones if z.code == "PSR"] == [
                (count, amount_rp)
            ]
            assert sum(z.amount_rp for z in zones) == amount_rp
        latest = await queries.latest_money(db, date(2026, 11, 22))
        assert [row.amount_rp for row, _, _ in latest] == [5000, 4000]
        assert all(receipt is not None for _, _, receipt in latest)


async def test_money_that_did_not_fit_its_charge_is_shown_apart(
    api: httpx.AsyncClient, transactions: Transactions, books: Books
) -> None:
    await sign_in(api)
    paid_at = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
    booked = {"reference": "kami", "acquirer_reference": "ACQ", "rrn": "1"}
    async with transactions.begin() as db:
        await book(db, books, **booked, amount_rp=2000, paid_at=paid_at)
    assert "Titipan</span>" not in (await api.get("/office/reconciliation?date=2026-11-21")).text
    async with transactions.begin() as db:
        charge = (await db.scalars(select(Charge))).one()
        again = Inquiry(charge_id=charge.id, asked_at=paid_at, status="paid", answer={})
        db.add(again)
        await db.flush()
        arrival = Arrival("ACQ", "2", 2500, paid_at, inquiry_id=again.id)
        await record_one(db, charge.acquirer, charge.reference, arrival, books, now=paid_at)
    text = (await api.get("/office/reconciliation?date=2026-11-21")).text
    for tile, amount in (("Terkumpul", "Rp2.000"), ("Titipan", "Rp2.500")):
        assert f'{tile}</span><div class="figure">{amount}<' in text


async def test_where_a_day_stood_before_leads_to_it(api: httpx.AsyncClient) -> None:
    await sign_in(api)
    answer = await api.get("/office?date=2026-11-21&lang=id")
    there = "/office/reconciliation?date=2026-11-21&lang=id"
    assert (answer.status_code, answer.headers["location"]) == (303, there)


async def test_today_shows_what_came_beside_the_same_day_of_last_week(
    api: httpx.AsyncClient, transactions: Transactions, books: Books, now: datetime
) -> None:
    await sign_in(api)
    assert "Belum ada pembayaran." in (await api.get("/office")).text
    for days, amount_rp in ((0, 2000), (7, 5000), (8, 9000)):
        told = {"reference": f"k{days}", "acquirer_reference": f"A{days}", "rrn": f"R{days}"}
        async with transactions.begin() as db:
            paid_at = now - timedelta(days=days)
            await book(db, books, **told, amount_rp=amount_rp, paid_at=paid_at)
    text = (await api.get("/office")).text
    for tile, amount in (
        ("Terkumpul hari ini", "Rp2.000"),
        ("Hari yang sama pekan lalu", "Rp5.000"),
    ):
        assert f'{tile}</span><div class="figure">{amount}<' in text
    async with transactions.begin() as db:
        day = books.day(now)
        of_year = {"year": day.year, "month": day.month, "zone": None, "regulation": "APBD"}
        days = monthrange(day.year, day.month)[1]
        await set_target(db, **of_year, amount_rp=8000 * days + 1, who="uji", now=now)
    assert "25 % dari target sehari, Rp8.000" in (await api.get("/office")).text


async def test_what_an_import_did_is_shown_only_as_numbers(api: httpx.AsyncClient) -> None:
    await sign_in(api)
    answer = await api.get("/office/reconciliation", params={"lines": "<b>1</b>"})
    assert answer.status_code == 422


async def test_the_page_tells_whether_a_day_was_reconciled_and_closed(
    api: httpx.AsyncClient,
) -> None:
    await sign_in(api)
    day, page = {"date": "2026-11-14"}, "/office/reconciliation?date=2026-11-14"
    assert "Hari ini belum pernah dicocokkan." in (await api.get(page)).text
    refused = await api.post("/office/close", data=day)
    assert (refused.status_code, refused.json()["slug"]) == (403, "confirmation-needed")
    refused = await api.post("/office/close", data=day | CONFIRMED)
    assert (refused.status_code, refused.json()["slug"]) == (409, "day-not-reconciled")
    await api.post("/office/reconcile", data=day)
    text = (await api.get(page)).text
    assert "Terakhir dicocokkan" in text
    assert '<button class="plain">Siapkan penutupan' in text
    assert (await api.post("/office/close", data=day | CONFIRMED)).status_code == 303
    text = (await api.get(page)).text
    assert "Hari ini sudah disiapkan untuk ditutup" in text
    assert '<button class="plain">Siapkan penutupan' not in text
    told = (await api.get("/office/days/2026-11-14")).text
    assert "Bendahara Contoh" in told.partition("Disiapkan")[2]
    assert "Menunggu verifikator" in told
    lock = {"number": 1, "decision": "lock", "password": PASSWORD}
    own = await api.post("/office/days/2026-11-14/decision", data=lock)
    assert (own.status_code, own.json()["slug"]) == (403, "role-not-allowed")


async def test_the_office_is_told_of_a_webhook_that_was_given_up(
    api: httpx.AsyncClient, transactions: Transactions, now: datetime
) -> None:
    async with transactions.begin() as db:
        db.add(
            Subscription(
                url="https://pemda.example/hook",
                types=["charge.paid"],
                secret=b"x",
                created_by="uji",
                created_at=now,
                disabled_at=now,
                disabled_why="exhausted",
            )
        )
    await sign_in(api)
    assert "https://pemda.example/hook" in (await api.get("/office/reconciliation")).text


@pytest.mark.parametrize("page", ["voids", "ledger/accounts/1120"])
async def test_a_date_that_was_cleared_is_as_none(api: httpx.AsyncClient, page: str) -> None:
    await sign_in(api)
    for cleared in ("from=&to=", "from=2026-11-01&to="):
        answer = await api.get(f"/office/{page}?{cleared}")
        assert answer.status_code == 200, answer.text


async def test_transactions_are_paged_and_filtered_by_their_address(
    api: httpx.AsyncClient, transactions: Transactions, books: Books
) -> None:
    await sign_in(api)
    paid_at = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
    count = PAGE + 3
    async with transactions.begin() as db:
        for place in range(count):
            told = {"reference": f"k{place}", "acquirer_reference": f"A{place}"}
            amount_rp, rrn = 2000 + place, f"RRN{place:03}"
            await book(db, books, **told, rrn=rrn, amount_rp=amount_rp, paid_at=paid_at)

    async def shown(query: str) -> list[str]:
        answer = await api.get(f"/office/transactions?{query}")
        assert answer.status_code == 200, answer.text
        return re.findall(r'data-label="RRN">(RRN\d+)<', answer.text)

    day = "from=2026-11-21&to=2026-11-21"
    newest = (await api.get(f"/office/transactions?{day}&zone=PSR")).text
    (older,) = re.findall(r'href="\?([^"]+)">Lebih lama', newest)
    pages = await shown(f"{day}&zone=PSR"), await shown(html.unescape(older))
    assert [len(page) for page in pages] == [PAGE, 3]
    assert sorted(pages[0] + pages[1]) == [f"RRN{place:03}" for place in range(count)]
    assert await shown(f"{day}&least_rp=2007&most_rp=2008") == ["RRN008", "RRN007"]
    assert await shown(f"{day}&zone=&spot=&least_rp=&most_rp=2000&rrn=") == ["RRN000"]
    assert await shown("rrn=RRN005") == ["RRN005"]
    first = (await api.get("/office/transactions?rrn=RRN000")).text
    (number,) = set(re.findall(r"PSR-2026-000001-.", first))
    assert await shown(f"receipt={number}") == ["RRN000"]
    for nothing in ("zone=RSU", "spot=PSR-002-T", "flag=late", "method=cash", "attendant=J-001"):
        assert await shown(f"{day}&{nothing}") == []
    for bad in ("from=kemarin", "before=x", "from=2026-01-01&to=2026-11-21", "least_rp=-1"):
        answer = await api.get(f"/office/transactions?{bad}")
        assert (answer.status_code, answer.json()["slug"]) == (422, "invalid-request"), bad


async def test_today_tells_of_holidays_that_run_out(
    api: httpx.AsyncClient, transactions: Transactions
) -> None:
    await sign_in(api)
    words = "Hari libur tarif Pasar Contoh segera habis."
    assert words not in (await api.get("/office")).text
    band = {"from": "00:00", "until": "24:00", "weekdays": [], "holidays": True, "amount_rp": 9}
    priced = {"kind": "flat", "amount_rp": 2_000, "bands": [band]}
    version = {
        "regulation": "Perda uji",
        "valid_from": "2990-01-01",
        "valid_until": None,
        "holidays": {"2020-12-25": "Natal"},
        "rates": {"motorcycle": priced},
    }
    async with transactions.begin() as db:
        zone = (await db.scalars(select(Zone).where(Zone.code == "PSR"))).one()
        old = await db.scalars(select(Tariff).where(Tariff.zone_id == zone.id))
        for each in old:
            each.valid_until = date(2989, 12, 31)
        await db.flush()
        coming = tariff_from_json(version)
        row = Tariff(
            zone_id=zone.id,
            regulation=coming.regulation,
            valid_from=coming.valid_from,
            version=version,
        )
        db.add(row)
    assert words in (await api.get("/office")).text
