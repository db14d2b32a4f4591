"""Reading settlement files (CSV) and bank statements (MT940); a bad file is refused whole."""

import csv
import io
import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import mt940

from domain.payment import network_id

SETTLEMENT_COLUMNS = {
    "batch_id", "settlement_date", "transaction_time", "partner_reference_no", "reference_no",
    "rrn", "gross", "mdr", "net", "currency",
}  # fmt: skip
STATEMENT_FIELDS = (
    "transaction_reference", "account_identification", "statement_number",
    "final_opening_balance", "final_closing_balance",
)  # fmt: skip
SUBFIELD = re.compile(r"\?[0-9]{2}")
"""What some banks cut field 86 up with, wherever a line of it ends."""
LONGEST_NAME = 100
YEARS = range(2000, 2100)
MAX_BYTES = 100 * 1024 * 1024
LARGEST_RP = 10_000_000_000
"""The largest amount of one line; a sum of any file's lines then fits a BIGINT."""
SHORTEST_BATCH = 6
"""A shorter name would be found by chance in a bank's narrative."""


class FileRefused(ValueError):
    """The file cannot be taken in: where and why, in both languages. Nothing of it was stored."""

    def __init__(self, english: str, indonesian: str) -> None:
        super().__init__(f"{indonesian} / {english}")
        self.english = english
        self.indonesian = indonesian

    @classmethod
    def in_line(cls, line: int, english: str, indonesian: str) -> "FileRefused":
        return cls(f"line {line}: {english}", f"baris {line}: {indonesian}")

    @classmethod
    def in_movement(cls, number: int, english: str, indonesian: str) -> "FileRefused":
        return cls(f"movement {number}: {english}", f"mutasi {number}: {indonesian}")


LineKey = tuple[str, str | None, bool]
"""What tells one line of an acquirer from another: its reference, the RRN, and whether it takes
money back, since a refund may repeat the RRN of its payment."""


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

    @property
    def key(self) -> LineKey:
        return self.acquirer_reference, self.rrn, self.gross_rp < 0


@dataclass(frozen=True)
class StatementRow:
    """One movement on the account; a credit is positive."""

    line_number: int
    value_date: date
    amount_rp: int
    narrative: str


@dataclass(frozen=True)
class Statement:
    """One statement of an account.

    `reference` is its field 20, its number and the day it opens: banks repeat field 20 daily, and
    the numbers yearly.
    """

    account: str
    reference: str
    rows: tuple[StatementRow, ...]


def _decode(content: bytes) -> str:
    if len(content) > MAX_BYTES:
        raise FileRefused("the file is larger than 100 MB", "berkas lebih besar dari 100 MB")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise FileRefused(
            f"byte {exc.start}: not UTF-8 text", f"byte {exc.start}: bukan teks UTF-8"
        ) from exc
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise FileRefused.in_line(line, "not text (NUL)", "bukan teks (NUL)")
    return text


def read_settlement(content: bytes) -> list[SettlementRow]:
    """Rows of a settlement CSV with a header line; raises FileRefused naming line and column."""
    reader = csv.DictReader(io.StringIO(_decode(content), newline=""), strict=True)
    try:
        columns = reader.fieldnames or ()
        missing = SETTLEMENT_COLUMNS - set(columns)
        if missing:
            names = ", ".join(sorted(missing))
            raise FileRefused.in_line(1, f"columns missing: {names}", f"kolom tidak ada: {names}")
        if len(set(columns)) != len(columns):
            raise FileRefused.in_line(
                1, "a column stands twice", "ada kolom yang tertulis dua kali"
            )
        rows = [_settlement_row(row, reader.line_num) for row in reader]
    except csv.Error as exc:
        raise FileRefused.in_line(
            reader.line_num + 1, str(exc), f"bukan CSV yang benar ({exc})"
        ) from exc
    if not rows:
        raise FileRefused("the file holds no lines", "berkas tidak berisi baris")
    seen: set[LineKey] = set()
    for row in rows:
        if row.key in seen:
            raise FileRefused.in_line(
                row.line_number,
                "the same payment stands twice",
                "pembayaran yang sama tertulis dua kali",
            )
        seen.add(row.key)
    return rows


def _settlement_row(row: dict[str, Any], line: int) -> SettlementRow:
    if None in row or None in row.values():
        raise FileRefused.in_line(
            line,
            "not as many fields as the header has",
            "jumlah isian tidak sama dengan jumlah kolom",
        )
    if row["currency"] != "IDR":
        raise FileRefused.in_line(line, "currency is not IDR", "mata uang bukan IDR")
    gross, mdr, net = (_rupiah(row[name], name, line) for name in ("gross", "mdr", "net"))
    if gross - mdr != net:
        raise FileRefused.in_line(
            line, "gross less mdr is not net", "gross dikurangi mdr tidak sama dengan net"
        )
    paid_at = _parsed(datetime.fromisoformat, row["transaction_time"], "transaction_time", line)
    if paid_at.tzinfo is None:
        raise FileRefused.in_line(
            line, "transaction_time has no zone", "transaction_time tanpa zona waktu"
        )
    settled_on = _parsed(date.fromisoformat, row["settlement_date"], "settlement_date", line)
    for column, year in (("transaction_time", paid_at.year), ("settlement_date", settled_on.year)):
        if year not in YEARS:
            raise FileRefused.in_line(
                line, f"{column} is in the year {year}", f"{column} ada di tahun {year}"
            )
    batch_id = _filled(row["batch_id"], "batch_id", line)
    if len("".join(batch_id.split())) < SHORTEST_BATCH:
        raise FileRefused.in_line(
            line,
            f"batch_id is shorter than {SHORTEST_BATCH} characters",
            f"batch_id kurang dari {SHORTEST_BATCH} karakter",
        )
    return SettlementRow(
        line_number=line,
        batch_id=batch_id,
        settlement_date=settled_on,
        paid_at=paid_at,
        reference=_name(row["partner_reference_no"], "partner_reference_no", line),
        acquirer_reference=_filled(row["reference_no"], "reference_no", line),
        rrn=network_id(_name(row["rrn"], "rrn", line)),
        gross_rp=gross,
        mdr_rp=mdr,
        net_rp=net,
    )


def _filled(text: str, column: str, line: int) -> str:
    name = _name(text, column, line)
    if not name:
        raise FileRefused.in_line(line, f"{column} is empty", f"{column} kosong")
    return name


def _name(text: str, column: str, line: int) -> str:
    if len(text) > LONGEST_NAME or not text.isprintable():
        raise FileRefused.in_line(
            line,
            f"{column} is no name of {LONGEST_NAME} characters at most",
            f"{column} bukan nama sepanjang paling banyak {LONGEST_NAME} karakter",
        )
    return text.strip()


def _rupiah(text: str, column: str, line: int) -> int:
    if not re.fullmatch(r"-?[0-9]{1,15}", text):
        raise FileRefused.in_line(
            line, f"{column} is not whole rupiah", f"{column} bukan rupiah bulat"
        )
    if abs(int(text)) > LARGEST_RP:
        raise FileRefused.in_line(
            line,
            f"{column} is more than {LARGEST_RP} rupiah",
            f"{column} lebih dari {LARGEST_RP} rupiah",
        )
    return int(text)


def _parsed(parse: Any, text: str, column: str, line: int) -> Any:
    try:
        return parse(text)
    except ValueError as exc:
        raise FileRefused.in_line(
            line, f"{column} is not a date", f"{column} bukan tanggal"
        ) from exc


def read_statement(content: bytes) -> Statement:
    """The movements of one MT940 statement (SWIFT MT940, fields 20, 25, 28C, 60F, 61, 86, 62F)."""
    text = _decode(content)
    try:
        parsed = _only_statement(text)
        data = parsed.data
        _require(data)
        rows = tuple(
            _statement_row(transaction.data, number)
            for number, transaction in enumerate(parsed.transactions, start=1)
        )
        opening, closing = data["final_opening_balance"], data["final_closing_balance"]
        account = str(data["account_identification"])
        number = (data["statement_number"], data.get("sequence_number") or "-")
        identity = (data["transaction_reference"], *number, _day(opening.date))
        reference = "/".join(str(part) for part in identity)
        moved = _whole(closing.amount.amount) - _whole(opening.amount.amount)
    except FileRefused:
        raise
    except Exception as exc:  # the parser raises whatever a malformed field leads it to
        name = type(exc).__name__
        raise FileRefused(
            f"not an MT940 statement ({name})", f"bukan rekening koran MT940 ({name})"
        ) from exc
    if sum(row.amount_rp for row in rows) != moved:
        raise FileRefused(
            "the movements do not lead from the opening to the closing balance",
            "mutasi tidak menghubungkan saldo awal dengan saldo akhir",
        )
    return Statement(account, reference, rows)


def _only_statement(text: str) -> Any:
    """As the parser reads it, but for narratives: those in subfields it would take apart."""
    statement, *others = mt940.parse_statements(
        text, processors={"post_transaction_details": []}, options=mt940.Options.all()
    )
    if others:
        raise FileRefused(
            "several statements in one file: take in each as a file of its own",
            "beberapa rekening koran dalam satu berkas: ambil masing-masing sebagai berkas sendiri",
        )
    return statement


def _require(data: dict[str, Any]) -> None:
    for name in STATEMENT_FIELDS:
        if name not in data:
            field = name.replace("_", " ")
            raise FileRefused(
                f"not an MT940 statement: no {field}",
                f"bukan rekening koran MT940: tanpa {field}",
            )


def _statement_row(data: dict[str, Any], number: int) -> StatementRow:
    if data["currency"] != "IDR":
        raise FileRefused.in_movement(number, "currency is not IDR", "mata uang bukan IDR")
    amount_rp = _whole(data["amount"].amount)
    if abs(amount_rp) > LARGEST_RP:
        raise FileRefused.in_movement(
            number, f"more than {LARGEST_RP} rupiah", f"lebih dari {LARGEST_RP} rupiah"
        )
    return StatementRow(
        line_number=number,
        value_date=_day(data["date"]),
        amount_rp=amount_rp,
        narrative=_narrative(data),
    )


def _narrative(data: dict[str, Any]) -> str:
    """All that the bank writes of a movement, in fields 61 and 86."""
    reference, details = (
        data.get(name) or "" for name in ("customer_reference", "transaction_details")
    )
    theirs = (data.get(name) for name in ("bank_reference", "extra_details"))
    return SUBFIELD.sub(" ", " ".join((reference, details, *filter(None, theirs))))


def _day(value: Any) -> date:
    """The parser's date as a plain one."""
    return date(value.year, value.month, value.day)


def _whole(amount: Any) -> int:
    if amount != int(amount):
        raise FileRefused("an amount is not whole rupiah", "ada jumlah yang bukan rupiah bulat")
    return int(amount)
