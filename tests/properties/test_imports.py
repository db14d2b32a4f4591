"""Tables of any lines in any mapping: what was written is what is read, in whatever order."""

import csv
import io
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from server.errors import FileRefused
from server.reconciliation import settlements, statements
from server.reconciliation.files import SettlementRow
from server.reconciliation.mappings import SettlementMapping, StatementMapping, parsed

NAMES = st.text("ABCDEF0123456789-Ö", min_size=6, max_size=20)
AMOUNTS = st.integers(-9_999_999, 9_999_999)
FEES = st.integers(-70_000, 70_000)
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2099, 12, 30)).map(  # noqa: DTZ001
    lambda told: told.replace(microsecond=0, tzinfo=UTC)
)
FIELDS = ("day", "at", "ours", "theirs", "gross", "fee", "net", "batch", "rrn", "vat", "kept")
COLUMNS = {
    "settlement_date": "day",
    "paid_at": "at",
    "reference": "ours",
    "acquirer_reference": "theirs",
    "gross": "gross",
    "mdr": "fee",
    "net": "net",
    "batch_id": "batch",
    "rrn": "rrn",
    "vat": "vat",
    "withheld": "kept",
}


@st.composite
def row(draw: st.DrawFn) -> SettlementRow:
    gross, mdr, vat, kept = draw(AMOUNTS), draw(FEES), draw(FEES), draw(FEES)
    return SettlementRow(
        line_number=0,
        batch_id=draw(NAMES),
        settlement_date=draw(st.dates(date(2020, 1, 1), date(2099, 12, 30))),
        paid_at=draw(MOMENTS),
        reference=draw(NAMES),
        acquirer_reference=draw(NAMES),
        rrn=draw(st.none() | st.integers(1, 10**12 - 1).map(lambda told: f"{told:012d}")),
        gross_rp=gross,
        mdr_rp=mdr,
        net_rp=gross - mdr - vat - kept,
        vat_rp=vat,
        withheld_rp=kept,
    )


rows = st.lists(row(), min_size=1, max_size=6, unique_by=lambda told: told.key)


@st.composite
def mapping(draw: st.DrawFn) -> SettlementMapping:
    decimal: Literal[".", ","] = draw(st.sampled_from([".", ","]))
    others = [mark for mark in ("", ".", ",", " ") if mark != decimal]
    return parsed(
        SettlementMapping,
        {
            "delimiter": draw(st.sampled_from([",", ";", "|", "\t"])),
            "encoding": draw(st.sampled_from(["utf-8", "latin-1", "cp1252", "utf-16"])),
            "decimal": decimal,
            "thousands": draw(st.sampled_from(others)),
            "units_per_rupiah": draw(st.sampled_from([1, 100])),
            "timezone": "UTC",
            "date_format": draw(st.sampled_from(["", "%d/%m/%Y", "%Y%m%d"])),
            "time_format": draw(st.sampled_from(["", "%d/%m/%Y %H:%M:%S", "%Y%m%d%H%M%S"])),
            "fees": draw(st.sampled_from(["positive", "negative"])),
            "withheld": draw(st.sampled_from(["taken", "given"])),
            "header": {
                "line": draw(st.sampled_from([1, 3])),
                "mark": draw(st.sampled_from(["", "H"])),
            },
            "trailer": draw(
                st.sampled_from([None, {"mark": "T", "lines": 2, "gross": 3, "net": 4}])
            ),
            "columns": COLUMNS,
        },
    )


def amount(told: int, how: SettlementMapping, *, workbook: bool) -> Any:
    units = told * how.units_per_rupiah
    if workbook:
        return units
    grouped = f"{units:,}".replace(",", how.thousands)
    return f"{grouped}{how.decimal}00" if units % 2 else grouped


def table(lines: list[SettlementRow], how: SettlementMapping, *, workbook: bool) -> list[list[Any]]:
    fees, kept = (-1 if how.fees == "negative" else 1), (-1 if how.withheld == "given" else 1)
    money = lambda told: amount(told, how, workbook=workbook)  # noqa: E731
    head: list[list[Any]] = [list(FIELDS)]
    if how.header.line > 1:
        head = [["H"], ["whatever"], *head]
    elif how.header.mark:
        head[0][0] = "H"
    body = [
        [
            _day(line.settlement_date, how.date_format),
            _at(line.paid_at, how.time_format),
            line.reference,
            line.acquirer_reference,
            money(line.gross_rp),
            money(fees * line.mdr_rp),
            money(line.net_rp),
            line.batch_id,
            line.rrn,
            money(fees * line.vat_rp),
            money(kept * line.withheld_rp),
        ]
        for line in lines
    ]
    sums = (sum(line.gross_rp for line in lines), sum(line.net_rp for line in lines))
    end = [["T", str(len(lines)), *map(money, sums)]] if how.trailer else []
    return [*head, *body, *end]


def _day(told: date, form: str) -> str:
    return told.strftime(form) if form else told.isoformat()


def _at(told: datetime, form: str) -> str:
    return told.strftime(form) if form else told.isoformat()


def written(cells: list[list[Any]], how: SettlementMapping, *, workbook: bool) -> bytes:
    if workbook:
        book = Workbook()
        for line in cells:
            book.worksheets[0].append(line)
        out = io.BytesIO()
        book.save(out)
        return out.getvalue()
    text = io.StringIO()
    csv.writer(text, delimiter=how.delimiter).writerows(cells)
    return text.getvalue().encode(how.encoding)


def told_by(content: bytes, how: SettlementMapping) -> set[SettlementRow]:
    return {replace(line, line_number=0) for line in settlements.read(content, how).rows}


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=60)
@given(rows, mapping(), st.booleans(), st.randoms())
def test_what_was_written_by_a_mapping_is_read_by_it_in_any_order(
    lines: list[SettlementRow], how: SettlementMapping, workbook: bool, random: Any
) -> None:
    if how.header.mark and how.header.line == 1:
        how = how.model_copy(
            update={"columns": how.columns.model_copy(update={"settlement_date": "H"})}
        )
    content = written(table(lines, how, workbook=workbook), how, workbook=workbook)
    assert told_by(content, how) == set(lines)
    random.shuffle(lines)
    again = written(table(lines, how, workbook=workbook), how, workbook=workbook)
    assert told_by(again, how) == set(lines)


@given(st.binary(max_size=400), st.sampled_from([b"", b"PK\x03\x04", b"<", b":20:", b"\xd0\xcf"]))
def test_any_bytes_are_read_or_refused(content: bytes, begins: bytes) -> None:
    for read in (settlements.read, statements.read):
        with suppress(FileRefused):
            read(begins + content)


BANK = parsed(
    StatementMapping,
    {"columns": {"value_date": "d", "narrative": "n", "amount": "a"}, "account": "0011"},
)
movements = st.lists(
    st.tuples(
        st.integers(0, 3).map(lambda days: date(2026, 11, 21) + timedelta(days)),
        st.sampled_from(["SETORAN", "BATCH-1", "ADM"]),
        st.sampled_from([1000, -1000, 2500]),
    ),
    min_size=1,
    max_size=12,
)


@given(movements, st.randoms())
def test_a_movement_keeps_its_name_however_the_table_is_sorted_or_cut(
    told: list[tuple[date, str, int]], random: Any
) -> None:
    def names(lines: list[tuple[date, str, int]]) -> set[tuple[str, int]]:
        body = "".join(f"{day},{words},{rp}\n" for day, words, rp in lines)
        read = statements.read(f"d,n,a\n{body}".encode(), BANK)
        assert [row.amount_rp for row in read] == [rp for _, _, rp in lines]
        return {(row.statement_reference, row.line_number) for row in read}

    whole = names(told)
    assert len(whole) == len(told)
    random.shuffle(told)
    assert names(told) == whole
    first = [line for line in told if line[0] == told[0][0]]
    assert names(first) <= whole
