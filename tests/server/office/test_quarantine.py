"""What handhelds recorded and the server refused, as the office sees and closes it."""

from datetime import datetime

import httpx

from server.casework.models import CaseKind
from server.database import Transactions
from server.sync import quarantine
from tests.server.deciding import close_by_two
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
        ((case, _),) = await quarantine.open_cases(db)
    page = f"/office/quarantine/{case.id}"
    assert page in (await api.get("/office/cases")).text
    shown = (await api.get(page)).text
    assert "catatan sebelumnya tidak ada" in shown
    assert "<b>5</b>" not in shown
    why = "dicocokkan dengan juru parkir"
    await close_by_two(transactions, CaseKind.QUARANTINE, case.id, why, now)
    closed = (await api.get(page)).text
    assert why in closed
    assert "/proposal" not in closed
    assert page not in (await api.get("/office/cases")).text
