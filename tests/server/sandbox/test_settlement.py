"""Day end: the settlement file, the bank statement and the truth agree to the rupiah."""

import csv
from decimal import Decimal
from pathlib import Path
from typing import Any

import mt940
import pytest

from server.sandbox.acquirer import mdr_rp
from server.sandbox.settlement import COLUMNS
from tests.server.sandbox.conftest import Partner


async def end_day(partner: Partner, day: str) -> dict[str, Any]:
    response = await partner.client.post("/sandbox/day-end", json={"date": day})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def rows_of(answer: dict[str, Any]) -> list[dict[str, str]]:
    with Path(answer["settlement"]).open(newline="") as file:
        return list(csv.DictReader(file))


def bytes_of(answer: dict[str, Any], name: str) -> bytes:
    return Path(answer[name]).read_bytes()


@pytest.mark.parametrize(
    ("gross_rp", "basis_points", "fee_rp"),
    [(5_000, 70, 35), (2_000, 70, 14), (50, 100, 1), (49, 100, 0), (1, 70, 0), (999, 0, 0)],
)
def test_mdr_rounds_half_up(gross_rp: int, basis_points: int, fee_rp: int) -> None:
    assert mdr_rp(gross_rp, basis_points) == fee_rp


async def test_file_statement_and_truth_agree(partner: Partner) -> None:
    for number, amount_rp in enumerate((2_000, 5_000, 1_235, 777)):
        code = (await partner.order(f"K-{number}", amount_rp, terminalId="T07"))["qrContent"]
        await partner.pay(code, "twice" if number == 1 else "pay")
    refund = {
        "originalPartnerReferenceNo": "K-1",
        "partnerRefundNo": "R-1",
        "refundAmount": {"value": "5000.00", "currency": "IDR"},
    }
    assert (await partner.call("refund", refund)).is_success
    answer = await end_day(partner, "2026-11-21")

    rows = rows_of(answer)
    assert tuple(rows[0]) == COLUMNS
    payments = [row for row in rows if row["type"] == "PAYMENT"]
    assert sorted(int(row["gross"]) for row in payments) == [777, 1_235, 2_000, 5_000, 5_000]
    assert all(int(row["mdr"]) == mdr_rp(int(row["gross"]), 70) for row in payments)
    [refunded] = [row for row in rows if row["type"] == "REFUND"]
    assert (refunded["gross"], refunded["mdr"], refunded["net"]) == ("-5000", "0", "-5000")
    assert all(int(row["gross"]) - int(row["mdr"]) == int(row["net"]) for row in rows)
    for name in ("gross", "mdr", "net"):
        assert sum(int(row[name]) for row in rows) == answer[f"{name}_rp"]
    assert answer["count"] == len(rows) == 6
    assert {row["batch_id"] for row in rows} == {answer["batch"]}
    truth = (await partner.truth())["payments"]
    assert {row["rrn"] for row in payments} == {payment["rrn"] for payment in truth}
    assert rows[0]["transaction_time"] == "2026-11-21T10:00:00+07:00"

    statement = mt940.parse(answer["statement"])
    [entry] = statement
    assert entry.data["amount"].amount == Decimal(answer["net_rp"])
    assert entry.data["amount"].currency == "IDR"
    assert entry.data["customer_reference"] == answer["batch"]
    assert answer["batch"] in entry.data["transaction_details"]
    assert statement.data["final_opening_balance"].amount.amount == 0
    assert statement.data["final_closing_balance"].amount.amount == Decimal(answer["net_rp"])
    assert str(entry.data["date"]) == "2026-11-21"


async def test_a_batch_never_changes_and_later_money_makes_another(partner: Partner) -> None:
    await partner.pay((await partner.order("K-1", 2_000))["qrContent"])
    first = await end_day(partner, "2026-11-21")
    before = bytes_of(first, "settlement"), bytes_of(first, "statement")
    assert await end_day(partner, "2026-11-21") == first
    assert (bytes_of(first, "settlement"), bytes_of(first, "statement")) == before

    await partner.pay((await partner.order("K-2", 4_000))["qrContent"])
    second = await end_day(partner, "2026-11-21")
    assert second["batches"] == [first["batch"], second["batch"]]
    assert bytes_of(second, "settlement").startswith(before[0])
    amounts = [entry.data["amount"].amount for entry in mt940.parse(second["statement"])]
    assert amounts == [Decimal(1_986), Decimal(3_972)]
    assert second["net_rp"] == 1_986 + 3_972


async def test_the_day_is_the_acquirers_and_balances_run_on(partner: Partner) -> None:
    await partner.pay((await partner.order("K-1", 2_000))["qrContent"])
    partner.advance(hours=14)  # 17.00 UTC is midnight in Jakarta
    await partner.fetch_token()
    await partner.pay((await partner.order("K-2", 5_000))["qrContent"])
    first = await end_day(partner, "2026-11-21")
    second = await end_day(partner, "2026-11-22")
    assert (first["gross_rp"], second["gross_rp"]) == (2_000, 5_000)
    statement = mt940.parse(second["statement"])
    assert statement.data["final_opening_balance"].amount.amount == Decimal(first["net_rp"])
    closing = Decimal(first["net_rp"] + second["net_rp"])
    assert statement.data["final_closing_balance"].amount.amount == closing


async def test_an_empty_day_has_a_header_and_no_entry(partner: Partner) -> None:
    answer = await end_day(partner, "2026-11-20")
    assert (answer["count"], answer["batch"], answer["net_rp"]) == (0, None, 0)
    assert bytes_of(answer, "settlement").decode() == ",".join(COLUMNS) + "\n"
    assert len(mt940.parse(answer["statement"])) == 0


async def test_the_files_are_served(partner: Partner) -> None:
    missing = await partner.client.get("/sandbox/day-end/2026-11-21/settlement.csv")
    assert (missing.status_code, missing.json()["error"]) == (404, "no_day_end")
    answer = await end_day(partner, "2026-11-21")
    csv_file = await partner.client.get("/sandbox/day-end/2026-11-21/settlement.csv")
    statement = await partner.client.get("/sandbox/day-end/2026-11-21/statement.sta")
    assert csv_file.content == bytes_of(answer, "settlement")
    assert statement.content == bytes_of(answer, "statement")
    assert (await partner.client.get("/sandbox/day-end/yesterday/statement.sta")).status_code == 400
