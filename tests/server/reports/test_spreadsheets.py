"""Every report of the catalogue as a spreadsheet: what a program reckons anew is what it said."""

from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest
from openpyxl import load_workbook
from openpyxl.utils import get_column_letter

from server.database import Transactions
from server.identity.service import Right
from server.payments.books import Books
from server.reports import catalogue, sheets, table
from server.reports.table import Asked, Period
from tests.server.reports import town
from tests.server.reports.test_files import recalculated

EMPTY = {"pengembalian"}
"""Nothing was given back in that town."""


@pytest.mark.filterwarnings("ignore::SyntaxWarning")  # of formulas, at its first import
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_each_report_recalculated_has_its_own_totals(
    api: httpx.AsyncClient,
    transactions: Transactions,
    books: Books,
    now: datetime,
    tmp_path: Path,
    subtests: pytest.Subtests,
) -> None:
    await town.fill(api, transactions, books, now)
    today = books.business_day(now)
    asked = Asked(Period(today - timedelta(days=30), today), books, today)
    for name, report in catalogue.REPORTS.items():
        async with transactions.begin() as db:
            told = await table.build(db, report, asked, frozenset(Right))
        path = tmp_path / f"{name}.xlsx"
        path.write_bytes(sheets.as_xlsx(told, "id", now))
        first = sheets.ABOVE + 2
        with subtests.test(name):
            assert bool(told.rows) == (name not in EMPTY)
            sheet = load_workbook(path).worksheets[0]
            heads = [cell.value for cell in sheet[first - 1]]
            assert heads == [column.title.bahasa for column in told.columns]
            cells = recalculated(path)
            lines = [*told.rows, *([told.totals] if told.has_totals else [])]
            for row, values in enumerate(lines, first):
                for at, (column, value) in enumerate(zip(told.columns, values, strict=True), 1):
                    place = f"{get_column_letter(at)}{row}"
                    if column.kind.is_number and isinstance(value, int):
                        many = 10_000 if column.kind is table.Kind.PERCENT else 1
                        assert round(cells[place] * many) == value, place
