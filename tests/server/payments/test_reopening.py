"""Cases of suspense that officers ask about again, and what was posted for them meanwhile."""

import httpx
import pytest
from fastapi import FastAPI

from domain.payment import CaseOutcome
from server import sample, verify
from server.database import Transactions
from server.limits import RateLimit
from tests.server.cluster import CHECKER_PASSWORD, PASSWORD
from tests.server.conftest import Sandbox
from tests.server.office.test_endpoints import sign_in
from tests.server.payments.conftest import Office
from tests.server.payments.refunding import Desk


@pytest.fixture
async def desk(office: Office, sandbox: Sandbox, owner_url: str) -> Desk:
    return await Desk.at(office, sandbox, owner_url)


async def test_recognised_money_that_is_asked_about_again_is_taken_back_and_recognised_anew(
    api: httpx.AsyncClient, app: FastAPI, transactions: Transactions, desk: Desk
) -> None:
    app.state.office_limit = RateLimit(10_000)
    await desk.late()
    case = await desk.case("late")
    case_id = case["id"]

    async def sound() -> None:
        async with transactions.begin() as db:
            assert not any((await verify.broken(db)).values())

    async def told(login: str, work: str, **data: str) -> httpx.Response:
        password = PASSWORD if login == sample.OFFICER else CHECKER_PASSWORD
        await sign_in(api, login=login, password=password)
        return await api.post(work, data=data | {"password": password})

    path, again = f"/office/cases/{case_id}", f"/office/casework/suspense/{case_id}/reopening"
    for outcome in (CaseOutcome.RECOGNISED, CaseOutcome.TAKEN_BACK, CaseOutcome.RECOGNISED):
        if outcome is CaseOutcome.TAKEN_BACK:
            assert (await told(sample.CHECKER, again, why="salah zona")).status_code == 303
            await sound()
        proposal = {"outcome": outcome.value, "reason": "uji", "zone": "PSR"}
        assert (await told(sample.OFFICER, f"{path}/proposal", **proposal)).status_code == 303
        decided = await told(sample.CHECKER, f"{path}/decision", decision="accept")
        assert decided.status_code == 303
        await sound()
        expected = "open" if outcome is CaseOutcome.TAKEN_BACK else "closed"
        assert (await desk.case("late"))["state"] == expected
    assert (await told(sample.OFFICER, again, why="sekali lagi")).status_code == 303
    stands = {"outcome": "recognised", "reason": "benar"}
    await told(sample.OFFICER, f"{path}/proposal", **stands)
    await told(sample.CHECKER, f"{path}/decision", decision="accept")
    assert (await desk.case("late"))["state"] == "closed"
    await sound()
