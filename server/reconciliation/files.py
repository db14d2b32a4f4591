"""Reading settlement files (CSV) and bank statements (MT940); a bad file is refused whole."""

import csv
import io
import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import mt940

SETTLEMENT_COLUMNS = {
    "batch_id", "settlement_date", "transaction_time", "partner_reference_no", "reference_no",
    "rrn", "gross", "mdr", "net", "currency",
}  # fmt: skip
STATEMENT_FIELDS = (
    "transaction_reference", "account_identification",
    "final_opening_balance", "final_closing_balance",
)  # fmt: skip
LONGEST_NAME = 100
YEARS = range(2000, 2100)
MAX_BYTES = 100 * 1024 * 1024


class FileRefused(ValueError):
    """The file cannot be taken in; the message says where and why. Nothing of it was stored."""


@dataclass(frozen=True)
class SettlementRow:
    """One payment of a settlement file; amounts in whole rupiah."""

    line_number: int
    batch_id: str
    settlement_date: date
    paid_at: datetime
    reference: str
    acquirer_reference: str
    rrn: str | None
    gross_rp: int
    mdr_rp: int
    net_rp: int


@dataclass(frozen=True)
class StatementRow:
    """One movement on the account; a credit is positive."""

    line_number: int
    value_date: date
    amount_rp: int
    narrative: str


@dataclass(frozen=True)
class Statement:
    account: str
    reference: str
    rows: tuple[StatementRow, ...]


def _decode(content: bytes) -> str:
    if len(content) > MAX_BYTES:
        raise FileRefused("the file is larger than 100 MB")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise FileRefused(f"byte {exc.start}: not UTF-8 text") from exc
    if "\0" in text:
        raise FileRefused(f"line {text[: text.index(chr(0))].count(chr(10)) + 1}: not text (NUL)")
    return text


def read_settlement(content: bytes) -> list[SettlementRow]:
    """Rows of a settlement CSV with a header line; raises FileRefused naming line and column."""
    reader = csv.DictReader(io.StringIO(_decode(content), newline=""), strict=True)
    try:
        columns = reader.fieldnames or ()
        missing = SETTLEMENT_COLUMNS - set(columns)
        if missing:
            raise FileRefused(f"line 1: columns missing: {', '.join(sorted(missing))}")
        if len(set(columns)) != len(columns):
            raise FileRefused("line 1: a column stands twice")
        rows = [_settlement_row(row, reader.line_num) for row in reader]
    except csv.Error as exc:
        raise FileRefused(f"line {reader.line_num + 1}: {exc}") from exc
    seen: set[tuple[str, str | None]] = set()
    for row in rows:
        key = (row.acquirer_reference, row.rrn)
        if key in seen:
            raise FileRefused(f"line {row.line_number}: the same payment stands twice")
        seen.add(key)
    return rows


def _settlement_row(row: dict[str, Any], line: int) -> SettlementRow:
    if None in row or None in row.values():
        raise FileRefused(f"line {line}: not as many fields as the header has")
    if row["currency"] != "IDR":
        raise FileRefused(f"line {line}: currency is not IDR")
    gross, mdr, net = (_rupiah(row[name], name, line) for name in ("gross", "mdr", "net"))
    if gross - mdr != net:
        raise FileRefused(f"line {line}: gross less mdr is not net")
    paid_at = _parsed(datetime.fromisoformat, row["transaction_time"], "transaction_time", line)
    if paid_at.tzinfo is None:
        raise FileRefused(f"line {line}: transaction_time has no zone")
    settled_on = _parsed(date.fromisoformat, row["settlement_date"], "settlement_date", line)
    for column, year in (("transaction_time", paid_at.year), ("settlement_date", settled_on.year)):
        if year not in YEARS:
            raise FileRefused(f"line {line}: {column} is in the year {year}")
    return SettlementRow(
        line_number=line,
        batch_id=_filled(row["batch_id"], "batch_id", line),
        settlement_date=settled_on,
        paid_at=paid_at,
        reference=_name(row["partner_reference_no"], "partner_reference_no", line),
        acquirer_reference=_filled(row["reference_no"], "reference_no", line),
        rrn=_name(row["rrn"], "rrn", line) or None,
        gross_rp=gross,
        mdr_rp=mdr,
        net_rp=net,
    )


def _filled(text: str, column: str, line: int) -> str:
    if not text.strip():
        raise FileRefused(f"line {line}: {column} is empty")
    return _name(text, column, line)


def _name(text: str, column: str, line: int) -> str:
    if len(text) > LONGEST_NAME or not text.isprintable():
        raise FileRefused(f"line {line}: {column} is no name of {LONGEST_NAME} characters at most")
    return text


def _rupiah(text: str, column: str, line: int) -> int:
    if not re.fullmatch(r"-?[0-9]{1,15}", text):
        raise FileRefused(f"line {line}: {column} is not whole rupiah")
    return int(text)


def _parsed(parse: Any, text: str, column: str, line: int) -> Any:
    try:
        return parse(text)
    except ValueError as exc:
        raise FileRefused(f"line {line}: {column} is not a date") from exc


def read_statement(content: bytes) -> Statement:
    """The movements of one MT940 statement (SWIFT MT940, fields 20, 25, 28C, 60F, 61, 86, 62F)."""
    text = _decode(content)
    try:
        parsed = mt940.parse(text)
        data = parsed.data
        _require(data)
        rows = tuple(
            _statement_row(transaction.data, number)
            for number, transaction in enumerate(parsed.transactions, start=1)
        )
        opening, closing = data["final_opening_balance"], data["final_closing_balance"]
        account, reference = str(data["account_identification"]), str(data["transaction_reference"])
        moved = _whole(closing.amount.amount) - _whole(opening.amount.amount)
    except FileRefused:
        raise
    except Exception as exc:  # the parser raises whatever a malformed field leads it to
        raise FileRefused(f"not an MT940 statement ({type(exc).__name__})") from exc
    if sum(row.amount_rp for row in rows) != moved:
        raise FileRefused("the movements do not lead from the opening to the closing balance")
    return Statement(account, reference, rows)


def _require(data: dict[str, Any]) -> None:
    for name in STATEMENT_FIELDS:
        if name not in data:
            raise FileRefused(f"not an MT940 statement: no {name.replace('_', ' ')}")


def _statement_row(data: dict[str, Any], number: int) -> StatementRow:
    if data["currency"] != "IDR":
        raise FileRefused(f"movement {number}: currency is not IDR")
    value = data["date"]
    return StatementRow(
        line_number=number,
        value_date=date(value.year, value.month, value.day),
        amount_rp=_whole(data["amount"].amount),
        narrative=" ".join(
            str(data.get(name) or "") for name in ("customer_reference", "transaction_details")
        ),
    )


def _whole(amount: Any) -> int:
    if amount != int(amount):
        raise FileRefused("an amount is not whole rupiah")
    return int(amount)
