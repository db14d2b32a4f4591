"""Tables as acquirers and banks write them, CSV or XLSX, and what their cells say by a mapping.

Amounts never pass through a binary fraction of ours: text is read as decimal, and a workbook's
number as the shortest decimal that means it. Macros, formulas and bombs are refused.
"""

import csv
import io
import re
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from numbers import Real
from typing import Any
from zoneinfo import ZoneInfo

from server.errors import Faults, FileRefused
from server.reconciliation.files import LARGEST_RP, MAX_BYTES, check_year, checked_name, filled_name
from server.reconciliation.mappings import Mapping, Says, Trailer

MAX_UNPACKED = 4 * MAX_BYTES
WORKBOOK, OLD_WORKBOOK = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
MACROS = ("vbaproject.bin", ".xlsm", "macrosheets/")
BEYOND = 10**16
# The days from which and until which a workbook counts what may be a date.
FIRST_DAY, LAST_DAY = 36_526, 73_051
RUNNING = re.compile(r"(%[A-Za-z])+")
"""A form of a date without marks between its parts, which strptime reads too kindly."""


@dataclass(frozen=True)
class Line:
    """One line of a table; each cell is asked for by the name of its column."""

    number: int
    cells: Sequence[Any]
    sheet: "Sheet"

    def cell(self, column: str) -> Any:
        cell = self.cells[self.sheet.columns[column]]
        if self.sheet.workbook and isinstance(cell, str) and cell.startswith("="):
            raise self.refused(f"{column} is a formula", f"{column} berisi rumus")
        return cell

    def text(self, column: str) -> str:
        return _text(self.cell(column))

    def name(self, column: str) -> str:
        return checked_name(self.text(column), column, self.number)

    def filled(self, column: str) -> str:
        return filled_name(self.text(column), column, self.number)

    def rupiah(self, column: str) -> int:
        return rupiah(self.cell(column), column, self.number, self.sheet.mapping)

    def day(self, column: str) -> date:
        told = self._when(column, self.sheet.mapping.date_format, date.fromisoformat)
        day: date = told.date() if isinstance(told, datetime) else told
        check_year(day.year, column, self.number)
        return day

    def moment(self, columns: Sequence[str]) -> datetime:
        """A moment, from one column or from one of days and one of times."""
        column = columns[0]
        if len(columns) > 1 and not isinstance(self.cell(column), str):
            clock = self.cell(columns[1])
            if not isinstance(clock, time):
                raise self._no_date(columns[1])
            told = datetime.combine(self.day(column), clock)
        else:
            whole = " ".join(self.text(name) for name in columns) if len(columns) > 1 else None
            told = self._when(column, self.sheet.mapping.time_format, datetime.fromisoformat, whole)
        zone = self.sheet.mapping.timezone
        if told.tzinfo is None:
            if not zone:
                raise self.refused(f"{column} has no zone", f"{column} tanpa zona waktu")
            told = told.replace(tzinfo=ZoneInfo(zone))
        check_year(told.year, column, self.number)
        return told

    def says(self) -> frozenset[Says]:
        """What its words mean, of all the columns whose values the mapping lists."""
        words = self.sheet.mapping.words
        return frozenset(self._word(word.column, word.values) for word in words)

    def check_currency(self, column: str) -> None:
        if column and self.text(column) != "IDR":
            raise self.refused("currency is not IDR", "mata uang bukan IDR")

    def refused(self, english: str, indonesian: str) -> FileRefused:
        return FileRefused.in_line(self.number, english, indonesian)

    def _word(self, column: str, values: dict[str, Says]) -> Says:
        word = self.name(column)
        if word not in values:
            raise self.refused(f"{column} says {word!r}", f"{column} berisi {word!r}")
        return values[word]

    def _when(self, column: str, form: str, parse: Any, whole: str | None = None) -> Any:
        cell = self.cell(column)
        text = _text(cell) if whole is None else whole
        if isinstance(cell, date):  # a datetime is one too
            return cell
        try:
            return _parsed(text, form) if form else _counted(cell) or parse(text)
        except (ValueError, OverflowError) as exc:
            if (counted := _counted(cell)) is not None:
                return counted
            raise self._no_date(column) from exc

    def _no_date(self, column: str) -> FileRefused:
        return self.refused(f"{column} is not a date", f"{column} bukan tanggal")


@dataclass
class Sheet:
    """A table: where its columns are, and its lines."""

    mapping: Mapping
    workbook: bool
    width: int
    columns: dict[str, int]
    lines: list[Line] = field(default_factory=list)


def is_workbook(content: bytes) -> bool:
    return content.startswith((WORKBOOK, OLD_WORKBOOK))


def decoded(content: bytes, encoding: str = "utf-8") -> str:
    if len(content) > MAX_BYTES:
        raise FileRefused("the file is larger than 100 MB", "berkas lebih besar dari 100 MB")
    try:
        text = content.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except UnicodeDecodeError as exc:
        name = encoding.upper()
        raise FileRefused.in_line(
            content[: exc.start].count(b"\n") + 1,
            f"byte {exc.start}: not {name} text",
            f"byte {exc.start}: bukan teks {name}",
        ) from exc
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise FileRefused.in_line(line, "not text (NUL)", "bukan teks (NUL)")
    return text


def read(content: bytes, mapping: Mapping, wanted: Iterable[str], faults: Faults) -> Sheet:
    """The table of a file, its columns found by name; raises FileRefused where there is none."""
    workbook = is_workbook(content)
    rows = _workbook(content) if workbook else _csv(content, mapping, faults)
    at = next((at for at, (line, _) in enumerate(rows) if line >= mapping.header.line), len(rows))
    _check_mark(rows[0] if rows else (1, ()), mapping.header.mark)
    header = rows[at] if at < len(rows) else (mapping.header.line, ())
    columns = _columns(header, {*wanted, *(words.column for words in mapping.words)} - {""})
    sheet = Sheet(mapping, workbook, len(header[1]), columns)
    for number, cells in rows[at + 1 :]:
        sheet.lines.append(Line(number, _as_wide(cells, sheet.width, workbook), sheet))
    return sheet


def _check_mark(first: tuple[int, Sequence[Any]], mark: str) -> None:
    line, cells = first
    if mark and (not cells or _text(cells[0]).strip() != mark):
        raise FileRefused.in_line(line, f"does not begin with {mark!r}", f"tidak diawali {mark!r}")


def _columns(header: tuple[int, Sequence[Any]], wanted: set[str]) -> dict[str, int]:
    line, cells = header
    names = [_text(cell).strip() for cell in cells]
    missing = wanted - set(names)
    if missing:
        told = ", ".join(sorted(missing))
        raise FileRefused.in_line(line, f"columns missing: {told}", f"kolom tidak ada: {told}")
    filled = [name for name in names if name]
    if len(set(filled)) != len(filled):
        raise FileRefused.in_line(line, "a column stands twice", "ada kolom yang tertulis dua kali")
    return {name: at for at, name in enumerate(names)}


def _as_wide(cells: Sequence[Any], width: int, workbook: bool) -> Sequence[Any]:
    """A workbook leaves out what is empty at the end of a line."""
    return [*cells, *[None] * (width - len(cells))] if workbook else cells


def check_width(line: Line) -> None:
    """Whether a line has the fields that the header names, no more and no less."""
    if len(line.cells) != line.sheet.width:
        raise line.refused(
            "not as many fields as the header has",
            "jumlah isian tidak sama dengan jumlah kolom",
        )


def _csv(content: bytes, mapping: Mapping, faults: Faults) -> list[tuple[int, Sequence[Any]]]:
    text = decoded(content, mapping.encoding)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mapping.delimiter, strict=True)
    rows: list[tuple[int, Sequence[Any]]] = []
    try:
        rows.extend((reader.line_num, row) for row in reader if row)
    except csv.Error as exc:
        with faults.gathered():
            raise FileRefused.in_line(
                reader.line_num, str(exc), f"bukan CSV yang benar ({exc})"
            ) from exc
    return rows


def _workbook(content: bytes) -> list[tuple[int, Sequence[Any]]]:
    """The lines of the first sheet that are not empty."""
    from openpyxl import load_workbook

    _check_package(content)
    try:
        book = load_workbook(io.BytesIO(content), read_only=True, keep_links=False)
        sheet = book.worksheets[0]
        sheet.reset_dimensions()  # a file may claim any
        rows = [
            (number, _trimmed(cells))
            for number, cells in enumerate(sheet.iter_rows(values_only=True), start=1)
            if any(cell is not None for cell in cells)
        ]
    except Exception as exc:  # the parser raises whatever a malformed part leads it to
        name = type(exc).__name__
        raise FileRefused(f"not an XLSX workbook ({name})", f"bukan berkas XLSX ({name})") from exc
    return rows


def _check_package(content: bytes) -> None:
    if len(content) > MAX_BYTES:
        raise FileRefused("the file is larger than 100 MB", "berkas lebih besar dari 100 MB")
    if content.startswith(OLD_WORKBOOK):
        raise FileRefused(
            "an old XLS workbook or one with a password: save it as XLSX without",
            "berkas XLS lama atau bersandi: simpan sebagai XLSX tanpa sandi",
        )
    try:
        parts = zipfile.ZipFile(io.BytesIO(content)).infolist()
    except (zipfile.BadZipFile, ValueError) as exc:
        raise FileRefused("not an XLSX workbook", "bukan berkas XLSX") from exc
    if any(mark in part.filename.lower() for part in parts for mark in MACROS):
        raise FileRefused("the workbook holds macros", "berkas berisi makro")
    # What a part unpacks to is what it says, since the reader stops there.
    if sum(part.file_size for part in parts) > MAX_UNPACKED:
        raise FileRefused(
            "the workbook unpacks to more than 400 MB", "isi berkas lebih dari 400 MB"
        )


def _trimmed(cells: Sequence[Any]) -> Sequence[Any]:
    filled = [at for at, cell in enumerate(cells) if cell is not None]
    return cells[: filled[-1] + 1]


def _text(cell: Any) -> str:
    if isinstance(cell, str):
        return cell
    if _is_number(cell):
        return f"{Decimal(str(cell)).normalize():f}"
    return "" if cell is None else str(cell)


def _is_number(cell: Any) -> bool:
    return isinstance(cell, Real) and not isinstance(cell, bool)


def _counted(cell: Any) -> datetime | None:
    """The moment of a workbook's number, which counts days; None for any other cell."""
    from openpyxl.utils.datetime import from_excel

    if not _is_number(cell) or not FIRST_DAY <= cell < LAST_DAY:
        return None
    told = from_excel(cell)
    return told if isinstance(told, datetime) else None


def _parsed(text: str, form: str) -> datetime:
    told = datetime.strptime(text, form)  # noqa: DTZ007 - the zone is the mapping's
    if RUNNING.fullmatch(form) and told.strftime(form) != text:
        raise ValueError(text)
    return told


def rupiah(cell: Any, column: str, line: int, mapping: Mapping) -> int:
    """An amount as whole rupiah; raises FileRefused for one that is not, or beyond any line's."""
    amount = _amount(cell, mapping)
    if amount is None or amount % mapping.units_per_rupiah:
        raise FileRefused.in_line(
            line, f"{column} is not whole rupiah", f"{column} bukan rupiah bulat"
        )
    whole = int(amount) // mapping.units_per_rupiah
    if abs(whole) > LARGEST_RP:
        raise FileRefused.in_line(
            line,
            f"{column} is more than {LARGEST_RP} rupiah",
            f"{column} lebih dari {LARGEST_RP} rupiah",
        )
    return whole


def _amount(cell: Any, mapping: Mapping) -> Decimal | None:
    if _is_number(cell):
        amount = Decimal(str(cell))
        return amount if amount.is_finite() and abs(amount) < BEYOND else None
    if not isinstance(cell, str):
        return None
    # Exactly two decimals: three would be thousands, written otherwise than the mapping says.
    thousands, decimal = re.escape(mapping.thousands), re.escape(mapping.decimal)
    groups = f"[0-9]{{1,3}}(?:{thousands}[0-9]{{3}})+|" if thousands else ""
    found = re.fullmatch(f"(-?)({groups}[0-9]{{1,15}})(?:{decimal}([0-9]{{2}}))?", cell.strip())
    if found is None:
        return None
    sign, whole, fraction = found.groups()
    digits = whole.replace(mapping.thousands, "") if mapping.thousands else whole
    return Decimal(f"{sign}{digits}.{fraction or '0'}")


def check_trailer(
    last: Line, trailer: Trailer, lines: int, gross_rp: int, net_rp: int, faults: Faults
) -> None:
    """Whether the last line counts and sums the others as they are."""
    cells, number, mapping = last.cells, last.number, last.sheet.mapping
    if _text(cells[0]).strip() != trailer.mark:
        raise last.refused(
            f"does not begin with {trailer.mark!r} as the last line must: the file may be cut off",
            f"baris terakhir tidak diawali {trailer.mark!r}: berkas mungkin terpotong",
        )
    if any(place and place > len(cells) for place in (trailer.lines, trailer.gross, trailer.net)):
        raise last.refused("the trailer is too short", "baris penutup terlalu pendek")
    if trailer.lines and _amount(cells[trailer.lines - 1], mapping) != lines:
        faults.found += last.refused(
            f"the trailer does not count the {lines} lines of the file",
            f"baris penutup tidak menghitung {lines} baris seperti isi berkas",
        ).faults
    if faults.found:  # the sums of what could be read are not the file's
        return
    for at, name, sum_rp in ((trailer.gross, "gross", gross_rp), (trailer.net, "net", net_rp)):
        with faults.gathered():
            if at and rupiah(cells[at - 1], f"trailer {name}", number, mapping) != sum_rp:
                raise last.refused(
                    f"the trailer's {name} is not the {sum_rp} rupiah of the file",
                    f"{name} pada baris penutup bukan {sum_rp} rupiah seperti isi berkas",
                )
