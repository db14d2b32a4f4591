"""The inbox of cases over HTTP: what each role sees, finds and may do, and nothing done by one."""

import csv
import hashlib
import html
import re
from datetime import datetime, timedelta
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import REGISTRY
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError

from server import sample, verify
from server.casework import service as casework
from server.casework.models import CaseKind
from server.casework.service import RIGHTS
from server.database import Transactions, new_id
from server.identity import service as identity
from server.identity.models import Role
from server.identity.service import MAY, Right
from server.inspection.models import OWNER as AGENCY
from server.inspection.models import SignCase
from server.limits import RateLimit
from server.office import case_list
from server.payments.books import Books
from server.reconciliation.models import Discrepancy
from server.reports.models import ReportDownload
from server.spots import service as spots
from server.spots.units import WHOLE
from tests.server.cluster import CHECKER_PASSWORD, PASSWORD
from tests.server.deciding import close_by_two
from tests.server.office.test_endpoints import sign_in

SUBJECT = "ACQ-{:03d}/-"


async def differ(
    transactions: Transactions, now: datetime, *ages_and_amounts: tuple[int, int]
) -> list[UUID]:
    """Open differences, each so many days old and of so many rupiah."""
    rows = [
        {
            "id": new_id(),
            "kind": "not-settled",
            "subject": SUBJECT.format(number),
            "business_day": now.date(),
            "difference_rp": amount_rp,
            "details": {"ours_rp": -amount_rp, "theirs_rp": 0},
            "owner": "bendahara penerimaan",
            "opened_at": now - timedelta(days=age),
            "state": "open",
        }
        for number, (age, amount_rp) in enumerate(ages_and_amounts)
    ]
    async with transactions.begin() as db:
        await db.execute(insert(Discrepancy), rows)
    return [row["id"] for row in rows]  # type: ignore[misc]


async def sign_case(transactions: Transactions, now: datetime) -> UUID:
    async with transactions.begin() as db:
        spot = await spots.find(db, "PSR-001-U")
        case = SignCase(spot_id=spot.id, fault="missing", owner=AGENCY, opened_at=now)
        db.add(case)
        await db.flush()
        return case.id


async def as_checker(api: httpx.AsyncClient) -> None:
    await sign_in(api, login=sample.CHECKER, password=CHECKER_PASSWORD)


async def test_the_list_is_taken_home_as_it_is_filtered(
    api: httpx.AsyncClient, transactions: Transactions, now: datetime
) -> None:
    await differ(transactions, now, *((day % 10, 1000 * day) for day in range(1, 70)))
    await sign_in(api)
    address = "/office/cases.csv?state=waiting&kind=discrepancy&age=4-7&order=amount"
    answer = await api.get(address)
    assert answer.headers["content-type"].startswith("text/csv")
    head, *lines = csv.reader(answer.text.removeprefix("\ufeff").splitlines(), delimiter=";")
    assert head[:4] == ["Jenis", "Rincian", "Tentang", "Jumlah"]
    amounts = [1000 * day for day in range(1, 70) if 4 <= day % 10 <= 7]
    assert [int(line[3]) for line in lines] == sorted(amounts, reverse=True)
    assert {line[0] for line in lines} == {"selisih pencocokan"}
    english = await api.get(address, headers={"Accept-Language": "en"})
    assert "difference;not-settled;" in english.text
    async with transactions.begin() as db:
        taken = (await db.scalars(select(ReportDownload))).first()
    assert taken is not None
    assert (taken.report, taken.row_count, taken.who) == ("kasus", len(amounts), sample.OFFICER)
    assert taken.sha256 == hashlib.sha256(answer.content).digest()


def found(page: httpx.Response) -> list[str]:
    """The subjects that a page lists, in its order."""
    assert page.status_code == 200, page.text
    rows = page.text.partition('id="kasus"')[2]
    names = [name for name in map(SUBJECT.format, range(120)) if name in rows]
    return sorted(names, key=rows.index)


@pytest.fixture(autouse=True)
def patient(app: FastAPI) -> None:
    """Officers here show their passwords more often than people do."""
    app.state.office_limit = RateLimit(10_000)


async def test_cases_are_found_by_age_amount_words_and_officer(
    api: httpx.AsyncClient, transactions: Transactions, now: datetime
) -> None:
    ids = await differ(transactions, now, (0, -100), (2, -300), (5, -200), (30, -50))
    await sign_in(api)
    names = [SUBJECT.format(n) for n in range(4)]
    assert found(await api.get("/office/cases")) == [names[3], names[2], names[1], names[0]]
    by_amount = await api.get("/office/cases?order=amount")
    assert found(by_amount) == [names[1], names[2], names[0], names[3]]
    for band, expected in (("0-1", 0), ("2-3", 1), ("4-7", 2), ("8-", 3)):
        page = await api.get(f"/office/cases?age={band}&kind=discrepancy")
        assert found(page) == [names[expected]]
    late = (await api.get("/office/cases?age=8-")).text
    assert "hari, terlambat" in late
    assert found(await api.get("/office/cases?q=acq-002")) == [names[2]]
    assert found(await api.get("/office/cases?q=%25")) == []
    assert found(await api.get("/office/cases?kind=complaint")) == []
    path = f"/office/casework/discrepancy/{ids[1]}/assignment"
    assert (await api.post(path, data={"assignee": sample.OFFICER})).status_code == 303
    assert found(await api.get("/office/cases?whose=mine")) == [names[1]]
    assert names[1] not in found(await api.get("/office/cases?whose=nobody"))
    assert (await api.post(path, data={"assignee": ""})).status_code == 303
    assert found(await api.get("/office/cases?whose=mine")) == []
    for bad in ("kind=x", "age=9", "state=x", "order=x", "after=x", "after=1~x&order=amount"):
        assert (await api.get(f"/office/cases?{bad}")).status_code == 422
    huge = f"after={'9' * 60}~{ids[0]}&order=amount"
    assert len(found(await api.get(f"/office/cases?{huge}"))) == 4


@pytest.mark.parametrize("order", ["age", "amount"])
async def test_pages_follow_one_another_without_a_gap(
    api: httpx.AsyncClient, transactions: Transactions, now: datetime, order: str
) -> None:
    # Many of one age and amount: only the id tells them apart.
    await differ(transactions, now, *[(n // 40, -(n // 40) - 1) for n in range(110)])
    await sign_in(api)
    seen: list[str] = []
    place = f"/office/cases?order={order}"
    sizes = []
    while place:
        page = await api.get(place)
        sizes.append(len(found(page)))
        seen += found(page)
        link = re.search(r'href="([^"]+)" rel="next"', page.text)
        place = html.unescape(link[1]) if link else ""
    assert sizes == [50, 50, 10]
    assert len(set(seen)) == 110


@pytest.mark.parametrize("role", Role)
async def test_each_role_sees_its_kinds_and_acts_on_its_own(
    api: httpx.AsyncClient, transactions: Transactions, now: datetime, role: Role
) -> None:
    (difference,) = await differ(transactions, now, (1, -100))
    sign = await sign_case(transactions, now)
    async with transactions.begin() as db:
        await identity.add_officer(db, login="uji", name="Uji", role=role, password="uji")
    await sign_in(api, login="uji", password="uji")
    page = (await api.get("/office/cases")).text
    seen = casework.seen_by(role)
    assert (f"/office/discrepancies/{difference}" in page) == (CaseKind.DISCREPANCY in seen)
    assert (f"/office/sign-cases/{sign}" in page) == (CaseKind.SIGN in seen)
    for kind, case_id in ((CaseKind.DISCREPANCY, difference), (CaseKind.SIGN, sign)):
        chosen = await api.get(f"/office/cases?kind={kind}")
        assert chosen.status_code == (200 if kind in seen else 403)
        path = f"/office/casework/{kind}/{case_id}"
        works = kind in seen and Right.WORK_CASE in MAY[role]
        said = await api.post(f"{path}/comments", data={"words": "dilihat"})
        assert said.status_code == (303 if works else 403)
        told = {"why": "uji", "outcome": "written_off", "password": "uji"}
        proposed = await api.post(f"{path}/proposal", data=told)
        assert proposed.status_code == (303 if RIGHTS[kind].proposes in MAY[role] else 403)


async def test_nobody_closes_a_case_alone_and_a_closed_one_is_opened_with_a_reason(
    api: httpx.AsyncClient, transactions: Transactions, now: datetime
) -> None:
    case_id = await sign_case(transactions, now)
    path = f"/office/casework/sign/{case_id}"
    page = f"/office/sign-cases/{case_id}"
    await sign_in(api)
    unproposed = {"decision": "accept", "password": PASSWORD}
    assert (await api.post(f"{path}/decision", data=unproposed)).status_code == 403
    proposal = {"why": "dipasang lagi", "password": PASSWORD}
    assert (await api.post(f"{path}/proposal", data=proposal)).status_code == 303
    assert (await api.post(f"{path}/proposal", data=proposal)).json()["slug"] == "already-decided"
    assert "Menunggu keputusan verifikator" in (await api.get(page)).text
    await as_checker(api)
    decision = {"decision": "decline", "why": "fotonya mana?", "password": CHECKER_PASSWORD}
    assert (await api.post(f"{path}/decision", data=decision)).status_code == 303
    await sign_in(api)
    await api.post(f"{path}/proposal", data=proposal)
    await as_checker(api)
    decision |= {"decision": "accept", "why": ""}
    assert (await api.post(f"{path}/decision", data=decision)).status_code == 303
    assert (await api.post(f"{path}/decision", data=decision)).json()["slug"] == "already-decided"
    assert "dipasang lagi" in (await api.get(page)).text
    asked = {"why": "rusak lagi", "password": CHECKER_PASSWORD}
    assert (await api.post(f"{path}/reopening", data=asked)).status_code == 303
    assert (await api.post(f"{path}/reopening", data=asked)).json()["slug"] == "case-not-reopenable"
    told = (await api.get(page)).text
    for step in ("dipasang lagi", "fotonya mana?", "rusak lagi", "dibuka lagi"):
        assert step in told
    async with transactions.begin() as db:
        assert not any((await verify.broken(db)).values())


async def test_a_case_is_not_opened_beside_a_newer_one(
    api: httpx.AsyncClient, transactions: Transactions, now: datetime
) -> None:
    case_id = await sign_case(transactions, now)
    await close_by_two(transactions, CaseKind.SIGN, case_id, "dipasang", now)
    await sign_case(transactions, now)
    await sign_in(api)
    asked = {"why": "rusak lagi", "password": PASSWORD}
    answer = await api.post(f"/office/casework/sign/{case_id}/reopening", data=asked)
    assert (answer.status_code, answer.json()["slug"]) == (409, "case-not-reopenable")


async def test_notes_and_assignments_are_kept_shown_and_refused_where_they_do_not_fit(
    api: httpx.AsyncClient, transactions: Transactions, now: datetime
) -> None:
    (case_id,) = await differ(transactions, now, (0, -100))
    path = f"/office/casework/discrepancy/{case_id}"
    await sign_in(api)
    for words in ("ditanyakan ke acquirer", "<b>dijawab</b>"):
        assert (await api.post(f"{path}/comments", data={"words": words})).status_code == 303
    for words in ("", "  ", "x" * 1_001):
        assert (await api.post(f"{path}/comments", data={"words": words})).status_code == 422
    async with transactions.begin() as db:
        role = Role.PENGAWAS
        await identity.add_officer(db, login="awas", name="Awas", role=role, password="uji")
    for assignee in ("awas", "tidak-ada"):
        answer = await api.post(f"{path}/assignment", data={"assignee": assignee})
        assert (answer.status_code, answer.json()["slug"]) == (409, "officer-unfit")
    await api.post(f"{path}/assignment", data={"assignee": sample.CHECKER})
    page = (await api.get(f"/office/discrepancies/{case_id}")).text
    assert page.index("ditanyakan ke acquirer") < page.index("&lt;b&gt;dijawab")
    assert "diserahkan kepada" in page
    for work, data in (("comments", {"words": "x"}), ("assignment", {"assignee": ""})):
        for kind in CaseKind:
            answer = await api.post(f"/office/casework/{kind}/{new_id()}/{work}", data=data)
            assert (answer.status_code, answer.json()["slug"]) == (404, "case-not-found")
    for table in ("case_assignments", "case_comments", "case_steps"):
        for change in (f"DELETE FROM {table}", f"UPDATE {table} SET kind = 'sign'"):
            with pytest.raises(DBAPIError, match="permission denied"):
                async with transactions.begin() as db:
                    await db.execute(text(change))


async def test_the_metrics_tell_how_long_the_oldest_case_waits(
    transactions: Transactions, books: Books, now: datetime
) -> None:
    await differ(transactions, now, (3, -100), (9, -100))
    await case_list.watch(transactions, now=now)

    def told(name: str, kind: CaseKind) -> float | None:
        return REGISTRY.get_sample_value(name, {"kind": kind.value})

    assert told("karcis_case_oldest_age_seconds", CaseKind.DISCREPANCY) == 9 * 86_400
    assert told("karcis_cases_open", CaseKind.DISCREPANCY) == 2
    assert told("karcis_cases_open", CaseKind.SIGN) == 0
    assert told("karcis_case_oldest_age_seconds", CaseKind.SIGN) == 0
    async with transactions.begin() as db:
        counted = await case_list.counts(db, books, [CaseKind.DISCREPANCY], WHOLE, now=now)
    by_age = counted[CaseKind.DISCREPANCY]
    assert sum(by_age.values()) == 2
    assert by_age[case_list.Band.OLD] == 1
