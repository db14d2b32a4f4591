"""A report as CSV and as XLSX.

CSV is for Indonesian spreadsheets, as the ledger's: UTF-8 with a byte order mark, semicolons, CRLF,
numbers without separators. In XLSX numbers are numbers, and totals and shares are formulas, so that
whoever opens the file can see how they come about. What a person wrote never becomes a formula.
"""

import csv
import io
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import Cell, WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter

from server.ledger.reports import BYTE_ORDER_MARK, harmless
from server.moments import day_text
from server.reports.table import Column, Kind, Said, Table, Value, percent, span

FORMATS = {
    Kind.COUNT: "#,##0",
    Kind.RUPIAH: '"Rp"#,##0;[Red]-"Rp"#,##0',
    Kind.PERCENT: "0.00%",
    Kind.DAY: "yyyy-mm-dd",
    Kind.TEXT: "@",
}
WIDTHS = {Kind.COUNT: 13, Kind.RUPIAH: 18, Kind.PERCENT: 12, Kind.DAY: 13, Kind.TEXT: 26}
HEAD = PatternFill("solid", fgColor="E6F0F7")
BOLD = Font(bold=True)
ABOVE = 4
"""Rows above the table's head: title, agency, period, and one that is empty."""


def as_csv(table: Table, language: str) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
    writer.writerow([harmless(column.title.in_(language)) for column in table.columns])
    for row in table.rows:
        cells = zip(row, table.columns, strict=True)
        writer.writerow([_plain(value, column, language) for value, column in cells])
    return (BYTE_ORDER_MARK + out.getvalue()).encode()


def _plain(value: Value, column: Column, language: str) -> str:
    """A number is ours and keeps its minus; a text is made harmless."""
    if isinstance(value, Said):
        value = value.in_(language)
    if isinstance(value, str):
        return harmless(value)
    if isinstance(value, int) and column.kind is Kind.PERCENT:
        return percent(value, "." if language == "en" else ",")
    return "" if value is None else str(value)


def as_xlsx(table: Table, language: str, made: datetime) -> bytes:
    """`made` is when, in the regency's time."""
    book = Workbook(write_only=True)
    sheet: Any = book.create_sheet(table.report.name[:31])
    sheet.freeze_panes = f"A{ABOVE + 2}"
    for number, column in enumerate(table.columns, 1):
        sheet.column_dimensions[get_column_letter(number)].width = WIDTHS[column.kind]
    asked = table.asked
    for line in (
        table.report.title.in_(language),
        f"{asked.books.agency} {asked.books.regency}",
        f"{span(asked.period, language)} · {day_text(made, language)} {made:%H.%M}",
        "",
    ):
        sheet.append([_text(sheet, line, bold=line == table.report.title.in_(language))])
    sheet.append([_head(sheet, column, language) for column in table.columns])
    first = ABOVE + 2
    for at, row in enumerate(table.rows, first):
        cells = zip(row, table.columns, strict=True)
        sheet.append([_cell(sheet, table, at, value, c, language) for value, c in cells])
    if table.has_totals:
        sheet.append(_totals(sheet, table, first, first + len(table.rows) - 1))
    sheet.append([])
    for note in table.notes(language):
        sheet.append([_text(sheet, note)])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _head(sheet: Any, column: Column, language: str) -> Cell:
    cell = _text(sheet, column.title.in_(language), bold=True)
    cell.fill = HEAD
    where = "right" if column.kind.is_number else "left"
    cell.alignment = Alignment(horizontal=where, wrap_text=True, vertical="top")
    return cell


def _text(sheet: Any, text: str, *, bold: bool = False) -> Cell:
    """A text that stays one, whatever it begins with."""
    cell: Cell = WriteOnlyCell(sheet, "")
    cell.value = ILLEGAL_CHARACTERS_RE.sub(" ", text)
    cell.data_type = "s"
    if bold:
        cell.font = BOLD
    return cell


def _cell(sheet: Any, table: Table, at: int, value: Value, column: Column, language: str) -> Cell:
    if isinstance(value, Said):
        value = value.in_(language)
    if isinstance(value, str):
        return _text(sheet, value)
    if column.share is not None:
        return _formula(sheet, _share(table.columns, column.share, at), column)
    cell: Cell = WriteOnlyCell(sheet)
    if isinstance(value, (int, date)):
        cell.value = value
        cell.number_format = FORMATS[column.kind]
    return cell


def _formula(sheet: Any, formula: str, column: Column) -> Cell:
    cell: Cell = WriteOnlyCell(sheet, formula)
    cell.number_format = FORMATS[column.kind]
    return cell


def _letter(columns: Sequence[Column], key: str) -> str:
    return get_column_letter([column.key for column in columns].index(key) + 1)


def _share(columns: Sequence[Column], share: tuple[str, str], row: int) -> str:
    part, whole = (f"{_letter(columns, key)}{row}" for key in share)
    return f'=IF({whole}>0,{part}/{whole},"")'


def _totals(sheet: Any, table: Table, first: int, last: int) -> list[Cell]:
    cells = []
    keys = {column.key for column in table.columns if column.total}
    for number, column in enumerate(table.columns, 1):
        letter = get_column_letter(number)
        if column.total:
            formula = f"=SUM({letter}{first}:{letter}{last})" if table.rows else "=0"
            cell = _formula(sheet, formula, column)
        elif column.share is not None and keys.issuperset(column.share):
            cell = _formula(sheet, _share(table.columns, column.share, last + 1), column)
        else:
            cell = _text(sheet, "Total") if number == 1 else WriteOnlyCell(sheet)
        cell.font = BOLD
        cells.append(cell)
    return cells
