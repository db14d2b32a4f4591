"""Reading a bank's statement: MT940, camt.053, or a table (CSV, XLSX) by the mapping of that bank.

A movement of MT940 and camt.053 is named by its place in a numbered statement. A table has no
number and is cut wherever somebody asked for it: there a movement is named by what it says, and
by which of those that say the same on its day it is.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import Any
from xml.etree.ElementTree import Element, ParseError

import mt940
from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from server.errors import Faults, FileRefused
from server.reconciliation import sheets
from server.reconciliation.files import LARGEST_RP, MAX_BYTES, YEARS, StatementRow
from server.reconciliation.mappings import StatementMapping, mapping
from server.reconciliation.sheets import Line

BANK = mapping(StatementMapping, "bank")
STATEMENT_FIELDS = (
    "transaction_reference", "account_identification", "statement_number",
    "final_opening_balance", "final_closing_balance",
)  # fmt: skip
AMOUNT = re.compile(r"[0-9]{1,18}(\.[0-9]{0,5})?")
SUBFIELD = re.compile(r"\?[0-9]{2}")
"""What some banks cut field 86 up with, wherever a line of it ends."""


@dataclass(frozen=True)
class Balances:
    """What the account held before the first movement of a statement, and after its last."""

    opened_on: date
    opening_rp: int
    closed_on: date
    closing_rp: int


@dataclass(frozen=True)
class Statement:
    """One statement of a file; a table's balances are told only where a column has them."""

    account: str
    rows: list[StatementRow]
    balances: Balances | None


def read(content: bytes, told: StatementMapping = BANK) -> list[StatementRow]:
    """The movements of one account, in whichever form a bank tells of it; raises FileRefused."""
    return [row for statement in read_all(content, told) for row in statement.rows]


def read_all(content: bytes, told: StatementMapping = BANK) -> list[Statement]:
    """Every statement of a file, all of one account, with its balances; raises FileRefused."""
    statements = _statements(content, told)
    named = {statement.account for statement in statements}
    if len(named | {row.account for each in statements for row in each.rows}) > 1:
        raise FileRefused(
            "several accounts in one file: take in each as a file of its own",
            "beberapa rekening dalam satu berkas: ambil masing-masing sebagai berkas sendiri",
        )
    return statements


def form_of(content: bytes) -> str:
    """`mt940`, `camt053` or `table`; only a table is read by a mapping."""
    begins = b"" if sheets.is_workbook(content) else content[:200].lstrip(b"\xef\xbb\xbf\r\n\t ")
    if begins.startswith((b":", b"{")):
        return "mt940"
    return "camt053" if begins.startswith(b"<") else "table"


def _statements(content: bytes, told: StatementMapping) -> list[Statement]:
    match form_of(content):
        case "mt940":
            return _mt940(content)
        case "camt053":
            return _camt053(content)
    return [_table(content, told)]


def _mt940(content: bytes) -> list[Statement]:
    """SWIFT MT940, fields 20, 25, 28C, 60F, 61, 86, 62F, of each statement of the file.

    Banks repeat field 20 daily and the numbers yearly: the day a statement opens is named too.
    """
    text = sheets.decoded(content)
    faults, statements, before = Faults(), list[Statement](), 0
    try:
        # But for narratives: those in subfields the parser would take apart.
        for parsed in mt940.parse_statements(
            text, processors={"post_transaction_details": []}, options=mt940.Options.all()
        ):
            statements.append(_mt940_statement(parsed, before, faults))
            before += len(parsed.transactions)
        if not statements:
            _require({})
    except FileRefused:
        raise
    except Exception as exc:  # the parser raises whatever a malformed field leads it to
        name = type(exc).__name__
        raise FileRefused(
            f"not an MT940 statement ({name})", f"bukan rekening koran MT940 ({name})"
        ) from exc
    faults.refuse_any()
    return statements


def _mt940_statement(parsed: Any, before: int, faults: Faults) -> Statement:
    data = parsed.data
    _require(data)
    opening, closing = data["final_opening_balance"], data["final_closing_balance"]
    account = str(data["account_identification"])
    number = (data["statement_number"], data.get("sequence_number") or "-")
    identity = (data["transaction_reference"], *number, _day(opening.date))
    reference = "/".join(str(part) for part in identity)
    rows, sound = [], len(faults.found)
    for place, transaction in enumerate(parsed.transactions, start=before + 1):
        with faults.gathered():
            rows.append(_mt940_row(transaction.data, account, reference, place, place - before))
    balances = Balances(
        _day(opening.date),
        _whole(opening.amount.amount),
        _day(closing.date),
        _whole(closing.amount.amount),
    )
    if len(faults.found) == sound:
        _check_moved(rows, balances)
    return Statement(account, rows, balances)


def _require(data: dict[str, Any]) -> None:
    for name in STATEMENT_FIELDS:
        if name not in data:
            field = name.replace("_", " ")
            raise FileRefused(
                f"not an MT940 statement: no {field}",
                f"bukan rekening koran MT940: tanpa {field}",
            )


def _mt940_row(
    data: dict[str, Any], account: str, reference: str, place: int, number: int
) -> StatementRow:
    if data["currency"] != "IDR":
        raise FileRefused.in_movement(place, "currency is not IDR", "mata uang bukan IDR")
    amount_rp = _whole(data["amount"].amount, place)
    return StatementRow(
        place=place,
        form="mt940",
        account=account,
        statement_reference=reference,
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


def _camt053(content: bytes) -> list[Statement]:
    """ISO 20022 camt.053, any version: booked entries of each statement, opening to closing."""
    if len(content) > MAX_BYTES:
        raise FileRefused("the file is larger than 100 MB", "berkas lebih besar dari 100 MB")
    try:
        root = ElementTree.fromstring(content, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as exc:
        name = type(exc).__name__
        raise FileRefused(f"not sound XML ({name})", f"bukan XML yang benar ({name})") from exc
    faults = Faults()
    statements: list[Statement] = []
    before = 0
    for told in root.iterfind("{*}BkToCstmrStmt/{*}Stmt"):
        with faults.gathered():
            statements.append(_camt_statement(told, before, faults))
            before += len(statements[-1].rows)
    if root.find("{*}BkToCstmrStmt/{*}Stmt") is None:
        raise FileRefused("not a camt.053 statement", "bukan rekening koran camt.053")
    faults.refuse_any()
    return statements


def _camt_statement(statement: Element, before: int, faults: Faults) -> Statement:
    account = _told(statement, "Acct/Id/IBAN", "Acct/Id/Othr/Id")
    opening, opened_on = _balance(statement, "OPBD", "PRCD")
    closing, closed_on = _balance(statement, "CLBD")
    number = _told(statement, "LglSeqNb", "ElctrncSeqNb", default="-")
    reference = f"{_told(statement, 'Id')}/{number}/{opened_on}"
    rows = []
    sound = len(faults.found)
    for place, entry in enumerate(_booked(statement), start=before + 1):
        with faults.gathered():
            rows.append(_camt_row(entry, account, reference, place, place - before))
    balances = Balances(opened_on, opening, closed_on, closing)
    if len(faults.found) == sound:
        _check_moved(rows, balances)
    return Statement(account, rows, balances)


def _booked(statement: Element) -> Iterator[Element]:
    """Not what is only announced; a statement that says nothing of it tells of booked entries."""
    for entry in statement.iterfind("{*}Ntry"):
        if _told(entry, "Sts/Cd", "Sts", default="BOOK") == "BOOK":
            yield entry


def _camt_row(
    entry: Element, account: str, reference: str, place: int, number: int
) -> StatementRow:
    return StatementRow(
        place=place,
        form="camt053",
        account=account,
        statement_reference=reference,
        line_number=number,
        value_date=_camt_day(_told(entry, "ValDt/Dt", "ValDt/DtTm", "BookgDt/Dt", "BookgDt/DtTm")),
        amount_rp=_camt_amount(entry, place),
        narrative=_camt_narrative(entry),
    )


def _camt_amount(parent: Element, place: int | None = None) -> int:
    amount = parent.find("{*}Amt")
    if amount is None or amount.get("Ccy") != "IDR":
        raise _at(place, "currency is not IDR", "mata uang bukan IDR")
    told = (amount.text or "").strip()
    if not AMOUNT.fullmatch(told):
        raise _at(place, "an amount is no number", "ada jumlah yang bukan angka")
    sign = {"CRDT": 1, "DBIT": -1}.get(_told(parent, "CdtDbtInd", default=""), 0)
    if not sign:
        raise _at(place, "neither credit nor debit", "bukan kredit maupun debit")
    return sign * _whole(Decimal(told), place)


def _balance(statement: Element, *codes: str) -> tuple[int, date]:
    for code in codes:
        for balance in statement.iterfind("{*}Bal"):
            if _told(balance, "Tp/CdOrPrtry/Cd", default="") == code:
                return _camt_amount(balance), _camt_day(_told(balance, "Dt/Dt", "Dt/DtTm"))
    raise FileRefused(f"no balance {codes[0]}", f"tanpa saldo {codes[0]}")


def _camt_narrative(entry: Element) -> str:
    """All that the bank writes of an entry, for one movement also where it bundles several."""
    wanted = ("NtryRef", "AcctSvcrRef", "EndToEndId", "Ustrd", "AddtlTxInf", "AddtlNtryInf")
    words = (
        element.text.strip()
        for element in entry.iter()
        if element.tag.rpartition("}")[2] in wanted and element.text
    )
    return " ".join(dict.fromkeys(word for word in words if word))


def _camt_day(text: str) -> date:
    try:
        day = date.fromisoformat(text[:10])
    except ValueError as exc:
        raise FileRefused(f"{text[:30]!r} is not a date", f"{text[:30]!r} bukan tanggal") from exc
    if day.year not in YEARS:
        raise FileRefused(f"{day} is in the year {day.year}", f"{day} ada di tahun {day.year}")
    return day


def _told(parent: Element, *paths: str, default: str | None = None) -> str:
    """The text at the first of the paths that has one."""
    for path in paths:
        found = parent.find("/".join(f"{{*}}{part}" for part in path.split("/")))
        if found is not None and (text := (found.text or "").strip()):
            return text
    if default is None:
        raise FileRefused(
            f"not a camt.053 statement: no {paths[0]}",
            f"bukan rekening koran camt.053: tanpa {paths[0]}",
        )
    return default


def _table(content: bytes, told: StatementMapping) -> Statement:
    faults = Faults()
    columns = told.columns
    named = [value for value in vars(columns).values() if isinstance(value, str)]
    sheet = sheets.read(content, told, [*named, *columns.narrative], faults)
    if not sheet.lines and not faults.found:
        raise FileRefused("the file holds no lines", "berkas tidak berisi baris")
    rows: list[StatementRow] = []
    alike: Counter[tuple[str, str]] = Counter()
    for line in sheet.lines:
        with faults.gathered():
            row = _table_row(line, told, alike)
            rows.append(row)
    faults.refuse_any()
    balances = _table_balances(sheet.lines, rows, columns.balance) if columns.balance else None
    return Statement(rows[0].account, rows, balances)


def _table_row(line: Line, told: StatementMapping, alike: Counter[tuple[str, str]]) -> StatementRow:
    columns = told.columns
    sheets.check_width(line)
    line.check_currency(columns.currency)
    account = line.filled(columns.account) if columns.account else told.account
    day, amount_rp = line.day(columns.value_date), _moved(line, told)
    narrative = " ".join(" ".join(line.text(column).split()) for column in columns.narrative)
    said = hashlib.sha256(f"{amount_rp} {narrative}".encode()).hexdigest()[:16]
    reference = f"{day}/{said}"
    alike[account, reference] += 1
    return StatementRow(
        place=line.number,
        form="table",
        account=account,
        statement_reference=reference,
        line_number=alike[account, reference],
        value_date=day,
        amount_rp=amount_rp,
        narrative=narrative,
    )


def _moved(line: Line, told: StatementMapping) -> int:
    columns = told.columns
    if columns.amount:
        amount_rp = line.rupiah(columns.amount)
        says = line.says()
        if amount_rp < 0 and says & {"debit", "credit"}:
            raise line.refused("an amount with sign and word", "jumlah dengan tanda dan kata")
        return -amount_rp if "debit" in says else amount_rp
    debit, credit = (
        line.rupiah(column) if line.text(column).strip() else 0
        for column in (columns.debit, columns.credit)
    )
    if min(debit, credit) < 0 or (debit and credit):
        raise line.refused("both debit and credit, or negative", "debit dan kredit, atau negatif")
    return credit - debit


def _table_balances(
    lines: Sequence[Line], rows: Sequence[StatementRow], column: str
) -> Balances | None:
    """Of a table in which each balance follows from the one before it, oldest or newest first.

    None where either would do, the two tell other balances, and all is of one day.
    """
    told = [(line.rupiah(column), row.amount_rp) for line, row in zip(lines, rows, strict=True)]
    upwards = [later - moved == earlier for (earlier, _), (later, moved) in pairwise(told)]
    downwards = [later - moved == earlier for (later, moved), (earlier, _) in pairwise(told)]
    if not all(upwards) and not all(downwards):
        wrong = upwards if sum(upwards) >= sum(downwards) else downwards
        raise lines[wrong.index(False) + 1].refused(
            f"{column} does not follow from the line before",
            f"{column} tidak sesuai dengan baris sebelumnya",
        )
    days = [row.value_date for row in rows]
    newest_first = not all(upwards)
    if all(upwards) and all(downwards) and len({rp for rp, _ in told}) > 1:
        if days[0] == days[-1]:
            return None
        newest_first = days[0] > days[-1]
    first, last = (told[-1], told[0]) if newest_first else (told[0], told[-1])
    return Balances(min(days), first[0] - first[1], max(days), last[0])


def _check_moved(rows: Sequence[StatementRow], balances: Balances) -> None:
    if sum(row.amount_rp for row in rows) != balances.closing_rp - balances.opening_rp:
        raise FileRefused(
            "the movements do not lead from the opening to the closing balance",
            "mutasi tidak menghubungkan saldo awal dengan saldo akhir",
        )


def _at(place: int | None, english: str, indonesian: str) -> FileRefused:
    if place is None:
        return FileRefused(english, indonesian)
    return FileRefused.in_movement(place, english, indonesian)


def _day(value: Any) -> date:
    """The parser's date as a plain one."""
    return date(value.year, value.month, value.day)


def _whole(amount: Any, place: int | None = None) -> int:
    """A movement of some place, or a balance, as whole rupiah."""
    if amount != int(amount):
        raise _at(place, "an amount is not whole rupiah", "ada jumlah yang bukan rupiah bulat")
    if place is not None and abs(amount) > LARGEST_RP:
        raise _at(place, f"more than {LARGEST_RP} rupiah", f"lebih dari {LARGEST_RP} rupiah")
    return int(amount)
