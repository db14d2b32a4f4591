"""The paper of a close tells all that its page tells, in words."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from domain.payment import MoneyFlag
from server import pages
from server.office import days
from server.payments import cases
from server.payments.books import Books
from server.reconciliation.matching import DifferenceKind
from server.reconciliation.models import DayClose
from server.reports import case_words, day_close
from server.reports.table import Kind, shown

OF_CASES = {
    *MoneyFlag, DifferenceKind.NOT_BOOKED, DifferenceKind.UNKNOWN_MOVEMENT, cases.GIVEN_TWICE,
    cases.REFUND_REFUSED, cases.REFUND_UNKNOWN, cases.REFUND_DIFFERS, cases.PROOF_TAKEN_TWICE,
    cases.VOUCHER_REFUSED, cases.NEVER_CLAIMED, cases.REFUND_WISHED, cases.PAID_WHILE_CLOSED,
} - {MoneyFlag.EXACT}  # fmt: skip


@pytest.mark.parametrize("language", ["id", "en"])
def test_each_kind_is_said_as_on_the_page(language: str) -> None:
    page: Any = pages._environment(days.TEMPLATES, language).get_template("words.html").module
    for said, on_page, kinds in (
        (case_words.DIFFERENCES, page.difference_kinds, set(DifferenceKind)),
        (case_words.CASES, page.kinds, OF_CASES),
    ):
        assert {kind: words.in_(language) for kind, words in said.items()} == {
            str(kind): on_page[kind] for kind in kinds
        }


def test_what_is_open_and_what_is_awaited_stand_in_words() -> None:
    awaited = {"of": "sandbox", "until": "2026-11-24", "count": 2, "amount_rp": 4000}
    snapshot = {
        "totals": {},
        "differences": [{"kind": "not-settled", "subject": "A1", "difference_rp": -2000}],
        "cases": [{"kind": "late", "id": "0198", "amount_rp": 3000}],
        "expected": [
            {**awaited, "kind": kind} for kind in ("file-missing", "not-settled", "payout-missing")
        ],
    }
    close = DayClose(day=date(2026, 11, 21), number=1, note="", snapshot=snapshot, sha256=b"")
    still_open, expected = day_close.paper(close, []).sections
    told = [[shown(v, Kind.TEXT, "id") for v in row[:2]] for row in still_open.rows]
    assert told == [
        ["Selisih pencocokan", "belum dicairkan: A1"],
        ["Titipan dan kasus", "terlambat: 0198"],
    ]
    assert expected.title.english == "Not due yet"
    lines = [
        [shown(v, c.kind, "en") for v, c in zip(row, expected.columns, strict=True)]
        for row in expected.rows
    ]
    rest = ["sandbox", "24 Nov 2026", "2", "Rp4.000"]
    assert lines == [
        ["a settlement file", *rest], ["settlement", *rest], ["its money at the bank", *rest]
    ]  # fmt: skip


def test_the_hour_of_an_act_is_told_with_its_day_in_words(books: Books) -> None:
    at = datetime(2026, 11, 21, 20, 5, tzinfo=UTC)
    assert days._moment(at, books, "id") == "22 Nov 2026 03.05"
