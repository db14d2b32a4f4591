"""The ledger's pages over HTTP: for officers only, and refusing what cannot be."""

from datetime import date

import httpx
import pytest

from server.database import new_id
from tests.server.cluster import PASSWORD
from tests.server.office.test_endpoints import sign_in

SPAN = "from=2026-11-01&to=2026-11-30"
PAGES = (
    "/office/ledger",
    "/office/ledger/trial-balance.csv?date=2026-11-30",
    f"/office/ledger/journal.csv?{SPAN}",
    "/office/ledger/accounts/1140",
    f"/office/ledger/accounts/1140.csv?{SPAN}",
)
DEPOSIT = {
    "id": str(new_id()),
    "attendant": "J-001",
    "amount_rp": "1",
    "reference": "SLIP-000123",
    "deposited_on": "2026-11-21",
    "password": PASSWORD,
}


async def test_nothing_is_shown_to_strangers(
    api: httpx.AsyncClient, subtests: pytest.Subtests
) -> None:
    for path in PAGES:
        with subtests.test(path):
            assert (await api.get(path)).status_code == 401
    assert (await api.post("/office/ledger/deposits", data=DEPOSIT)).status_code == 401


async def test_downloads_are_files_of_their_own_name(api: httpx.AsyncClient) -> None:
    await sign_in(api)
    names = {}
    for path in PAGES[1:3] + PAGES[4:]:
        answer = await api.get(path)
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.content.startswith(b"\xef\xbb\xbf")
        names[path] = answer.headers["content-disposition"]
    assert list(names.values()) == [
        'attachment; filename="neraca-saldo-2026-11-30.csv"',
        'attachment; filename="jurnal-2026-11-01-2026-11-30.csv"',
        'attachment; filename="buku-besar-1140-2026-11-01-2026-11-30.csv"',
    ]


async def test_what_cannot_be_is_a_problem(api: httpx.AsyncClient) -> None:
    await sign_in(api)
    for path in ("/office/ledger/accounts/9999", f"/office/ledger/accounts/9999.csv?{SPAN}"):
        answer = await api.get(path)
        assert (answer.status_code, answer.json()["slug"]) == (404, "account-not-found")
    assert (await api.get("/office/ledger/journal.csv?from=kemarin")).status_code == 422
    unconfirmed = DEPOSIT | {"password": ""}
    answer = await api.post("/office/ledger/deposits", data=unconfirmed)
    assert (answer.status_code, answer.json()["slug"]) == (403, "confirmation-needed")
    for changes, status, slug in (
        ({}, 409, "deposit-exceeds-owed"),
        ({"attendant": "J-999"}, 404, "attendant-not-found"),
        ({"amount_rp": "0"}, 422, "invalid-request"),
        ({"reference": "12345"}, 422, "slip-unfit"),
        ({"deposited_on": "besok"}, 422, "invalid-request"),
        ({"deposited_on": f"{date.max}"}, 422, "invalid-request"),
    ):
        answer = await api.post("/office/ledger/deposits", data=DEPOSIT | changes)
        assert (answer.status_code, answer.json()["slug"]) == (status, slug), changes
