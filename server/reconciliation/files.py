"""What settlement files and bank statements say, whatever form they come in; bad ones are refused.

A file is refused whole, and every line of it that is wrong is named: it is mended once.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from domain.payment import network_id
from server.errors import FileRefused

LONGEST_NAME = 100
YEARS = range(2000, 2100)
MAX_BYTES = 100 * 1024 * 1024
LARGEST_RP = 10_000_000_000
"""The largest amount of one line; a sum of any file's lines then fits a BIGINT."""
SHORTEST_BATCH = 6
"""A shorter name would be found by chance in a bank's narrative."""


LineKey = tuple[str | None, str | None, bool, str, datetime | None]
"""What tells one line of an acquirer from another: its reference, the RRN, and whether it takes
money back, since a refund may repeat the RRN of its payment. Without its reference also ours and
the time: one charge may be paid twice, and an RRN comes again."""


@dataclass(frozen=True)
class SettlementRow:
    """One payment of a settlement file; amounts in whole rupiah.

    `vat_rp` is the tax on the fee. `withheld_rp` is income tax on it: what the acquirer kept back,
    negative where it paid it out for us to hand in.
    """

    line_number: int
    batch_id: str
    settlement_date: date
    paid_at: datetime
    reference: str
    acquirer_reference: str | None
    rrn: str | None
    gross_rp: int
    mdr_rp: int
    net_rp: int
    vat_rp: int = 0
    withheld_rp: int = 0

    @property
    def key(self) -> LineKey:
        return line_key(self)


def line_key(line: Any) -> LineKey:
    """Of a line as a file tells it, or as it is kept."""
    told = line.acquirer_reference, line.rrn, line.gross_rp < 0
    return (*told, "", None) if line.acquirer_reference else (*told, line.reference, line.paid_at)


@dataclass(frozen=True)
class Settlement:
    """A settlement file: what it pays out, what it holds back, and lines it settles nothing by."""

    rows: tuple[SettlementRow, ...]
    held: tuple[SettlementRow, ...] = ()
    passed_over: tuple[int, ...] = ()
    unsettled: tuple[SettlementRow, ...] = ()
    """What can be read of the lines that are passed over."""


@dataclass(frozen=True)
class StatementRow:
    """One movement on the account; a credit is positive.

    `account`, `statement_reference` and `line_number` are its name, the same in every file that
    tells of it; `place` is where in this file it stands. What one form of a statement tells,
    another would tell under other names.
    """

    place: int
    form: Literal["mt940", "camt053", "table"]
    account: str
    statement_reference: str
    line_number: int
    value_date: date
    amount_rp: int
    narrative: str


def checked_name(text: str, column: str, line: int) -> str:
    """A name without the spaces around it; raises FileRefused for one that no screen can show."""
    if len(text) > LONGEST_NAME or not text.isprintable():
        raise FileRefused.in_line(
            line,
            f"{column} is no name of {LONGEST_NAME} characters at most",
            f"{column} bukan nama sepanjang paling banyak {LONGEST_NAME} karakter",
        )
    return text.strip()


def filled_name(text: str, column: str, line: int) -> str:
    name = checked_name(text, column, line)
    if not name:
        raise FileRefused.in_line(line, f"{column} is empty", f"{column} kosong")
    return name


def network_name(text: str, column: str, line: int) -> str | None:
    """The network's id as the books spell it, None where the file leaves it out."""
    return network_id(checked_name(text, column, line))


def check_year(year: int, column: str, line: int) -> None:
    if year not in YEARS:
        raise FileRefused.in_line(
            line, f"{column} is in the year {year}", f"{column} ada di tahun {year}"
        )
