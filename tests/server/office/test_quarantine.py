"""What handhelds recorded and the server refused, as the office sees and closes it."""

from datetime import UTC, datetime

import httpx
import pytest

from server import sample
from server.casework.models import CaseKind
from server.database import Transactions
from server.identity import service as identity
from server.office import settling
from server.office.settling import CaseGrew
from tests.server.deciding import close_by_two, held_back
from tests.server.handhelds import on_shift
from tests.server.office.test_endpoints import sign_in


async def test_refused_records_are_a_case_that_two_officers_close_with_a_reason(
    api: httpx.AsyncClient, transactions: Transactions, now: datetime
) -> None:
    handheld = await on_shift(api, transactions, now)
    events = [handheld.forge(seq=5, body={"note": "<b>5</b>"})]
    await api.post("/v1/sync", json={"events": events}, auth=handheld.signed)
    await sign_in(api)
    async with transactions.begin() as db:
        ((case, _),) = await held_back(db)
    page = f"/office/quarantine/{case.id}"
    assert page in (await api.get("/office/cases")).text
    shown = (await api.get(page)).text
    assert "catatan sebelumnya tidak ada" in shown
    assert "<b>5</b>" not in shown
    why = "dicocokkan dengan juru parkir"
    await close_by_two(transactions, CaseKind.QUARANTINE, case.id, why, datetime.now(UTC))
    closed = (await api.get(page)).text
    assert why in closed
    assert "/proposal" not in closed
    assert page not in (await api.get("/office/cases")).text


async def test_a_case_is_not_closed_over_records_that_came_after_the_proposal(
    api: httpx.AsyncClient, transactions: Transactions, now: datetime
) -> None:
    handheld = await on_shift(api, transactions, now)

    async def push(seq: int) -> None:
        events = [handheld.forge(seq=seq)]
        await api.post("/v1/sync", json={"events": events}, auth=handheld.signed)

    await push(5)
    async with transactions.begin() as db:
        ((case, _),) = await held_back(db)
        maker = await identity.officer_named(db, sample.OFFICER)
        before = datetime.now(UTC)
        await settling.propose(db, maker, CaseKind.QUARANTINE, case.id, "dicocokkan", now=before)
    await push(6)
    for accept, refused in ((True, True), (False, False)):
        async with transactions.begin() as db:
            checker = await identity.officer_named(db, sample.CHECKER)
            decided = settling.decide(
                db, checker, CaseKind.QUARANTINE, case.id, accept=accept, why="lihat lagi",
                now=datetime.now(UTC),
            )  # fmt: skip
            if refused:
                with pytest.raises(CaseGrew):
                    await decided
            else:
                await decided
    await close_by_two(transactions, CaseKind.QUARANTINE, case.id, "semua", datetime.now(UTC))
