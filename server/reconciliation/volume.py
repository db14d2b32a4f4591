"""Matching whole periods, or a province's regencies at once, on an engine made for volume.

Written once in Ibis: DuckDB runs it by default, and a cluster runs the same by PySpark. The engine
reads the files by their mapping and pairs what agrees to the letter, which is nearly everything;
what it leaves goes through `matching`, reference by reference, so that both know the same rules.
"""

import csv
import functools
import itertools
import operator
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, cast

import ibis
import numpy as np
from ibis.expr.types import BooleanValue, IntegerValue, StringValue, Table

from domain.business_days import BusinessDays
from domain.payment import network_id
from server.errors import Faults, FileRefused
from server.reconciliation import matching, sheets
from server.reconciliation.files import LARGEST_RP
from server.reconciliation.mappings import SettlementMapping
from server.reconciliation.matching import (
    Batch,
    Booked,
    Difference,
    DifferenceKind,
    Movement,
    Pair,
    Reason,
    Settled,
    Tolerances,
)

OURS = ("acquirer_reference", "rrn", "amount_rp", "returned_rrn", "day")
THEIRS = ("acquirer_reference", "rrn", "gross_rp", "mdr_rp", "net_rp", "paid")
BY_OURS = ("reference",)
"""What both sides tell besides where a file has no reference of the acquirer's."""
ENGINE_READS = ("utf-8", "utf-16", "latin-1")
COUNTED_AT_ONCE = 1024 * 1024
LINE_END, RETURN, QUOTE = b'\n\r"'
PAID_APART = "\x1f"
"""Between the cells that tell when a payment was made, where there are two."""


@dataclass
class Compared:
    """What agrees; each difference was told as it was found."""

    lines: int = 0
    gross_rp: int = 0
    mdr_rp: int = 0
    net_rp: int = 0
    matched: Counter[Reason] = field(default_factory=Counter)
    across_midnight: int = 0
    paid_batches: int = 0
    differences: Counter[DifferenceKind] = field(default_factory=Counter)
    difference_rp: Counter[DifferenceKind] = field(default_factory=Counter)


@dataclass(frozen=True)
class Period:
    """The business days that are compared, and what tells them."""

    first: date
    last: date
    days: BusinessDays

    def holds(self, day: date) -> bool:
        return self.first <= day <= self.last


def duckdb(folder: Path, *, memory_mb: int = 400, threads: int = 2) -> Any:
    """An engine in this process that keeps to its memory; what does not fit goes to `folder`."""
    # Its own threads do better without keeping the order of lines, which nothing here needs.
    return ibis.duckdb.connect(
        memory_limit=f"{memory_mb}MB",
        threads=threads,
        temp_directory=str(folder / "spilled"),
        preserve_insertion_order=False,
    )


def pyspark(*, memory_mb: int = 400, threads: int = 2) -> Any:
    """The session there is, as on a cluster, else one on this machine. Raises ImportError."""
    from pyspark.sql import SparkSession

    session = SparkSession.builder.appName("karcis")
    if SparkSession.getActiveSession() is None:
        session = session.config("spark.master", f"local[{threads}]")
        session = session.config("spark.driver.memory", f"{memory_mb}m")
    return ibis.pyspark.connect(session.getOrCreate())


# Reading


def ours_told(how: SettlementMapping) -> tuple[str, ...]:
    """What is asked of our books to hold them against such a file."""
    return OURS if how.columns.acquirer_reference else (*OURS, *BY_OURS)


def theirs_told(how: SettlementMapping) -> tuple[str, ...]:
    return THEIRS if how.columns.acquirer_reference else (*THEIRS, *BY_OURS)


def read_booked(engine: Any, path: Path, names: Sequence[str] = OURS) -> Table:
    """Our books as a BookedFile keeps them."""
    told = _text_table(engine, path, names, ",", "utf-8", 0)
    return told.mutate(amount_rp=told.amount_rp.cast("int64"))


class BookedFile:
    """Our books as a CSV, line by line."""

    def __init__(self, path: Path, names: Sequence[str] = OURS) -> None:
        self.count = 0
        self._path = path
        self._names = names

    def __enter__(self) -> "BookedFile":
        self._file = self._path.open("w", newline="")
        self._writer = csv.writer(self._file)
        self._writer.writerow(self._names)
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, day: date, b: Booked) -> None:
        told = vars(b) | {"day": day}
        self._writer.writerow([told[name] for name in self._names])
        self.count += 1


def read_settled(engine: Any, path: Path, how: SettlementMapping, merchant: str = "") -> Table:
    """The lines of an acquirer's CSV that settle something, by its mapping; `sound` tells whether
    a line says what the mapping lets it say. Raises FileRefused for a file no engine can read.
    """
    if how.encoding not in ENGINE_READS:
        raise FileRefused(
            f"{how.encoding} is read by `karcis settlement import` only",
            f"{how.encoding} hanya dibaca oleh `karcis settlement import`",
        )
    names, last = _ends(path, how)
    raw = _text_table(
        engine, path, names, how.delimiter, how.encoding, how.header.line - 1, bool(how.trailer)
    )
    if how.trailer:
        raw = raw.filter(_name(raw[names[0]]) != how.trailer.mark)
    told = _understood(raw, how, merchant)
    if how.trailer:
        _check_trailer(told, last, how)
    return told.filter(told.settles) if _says(raw, how, "held", "unsettled") is not None else told


def lines_of(path: Path, how: SettlementMapping) -> int | None:
    """How many lines a CSV settles, by its line ends: counting them costs less than reading them.

    None where that alone cannot tell.
    """
    means = {says for words in how.words for says in words.values.values()}
    if how.encoding == "utf-16" or not means.isdisjoint({"held", "unsettled"}):
        return None
    ends = 0
    piece = np.zeros(2 + COUNTED_AT_ONCE, np.uint8)  # what ends one piece begins the next
    with path.open("rb", buffering=0) as file:
        while size := file.readinto(piece.data[2:]):
            told = piece[: 2 + size]
            end = told == LINE_END
            blank = (end[:-1] & end[1:]).any()
            blank |= (end[:-2] & (told[1:-1] == RETURN) & end[2:]).any()
            if blank or (told == QUOTE).any():
                return None
            ends += int(np.count_nonzero(end[2:]))
            piece[:2] = told[-2:]
    if piece[1] != LINE_END:
        return None
    return ends - how.header.line - bool(how.trailer)


def _ends(path: Path, how: SettlementMapping) -> tuple[list[str], list[str]]:
    """The names of the columns, and the cells of the last line."""
    with path.open(encoding="utf-8-sig" if how.encoding == "utf-8" else how.encoding) as file:
        head = list(itertools.islice(file, how.header.line))
    lines = list(csv.reader(head, delimiter=how.delimiter))
    first = lines[0][0].strip() if lines and lines[0] else ""
    if len(head) < how.header.line or (how.header.mark and first != how.header.mark):
        raise FileRefused(f"{path.name}: no such header", f"{path.name}: kepala berkas berbeda")
    names = [name.strip() for name in lines[-1]]
    wanted = {*_columns(how), *(words.column for words in how.words)}
    if missing := ", ".join(sorted(wanted - set(names))):
        raise FileRefused(f"columns missing: {missing}", f"kolom tidak ada: {missing}")
    with path.open("rb") as binary:
        binary.seek(max(path.stat().st_size - 4096, 0))
        tail = binary.read().decode(how.encoding, errors="replace").split("\n")
    last = next((line for line in reversed(tail) if line.strip()), "")
    return names, next(csv.reader([last.strip("\r")], delimiter=how.delimiter), [])


def _columns(how: SettlementMapping) -> set[str]:
    columns = vars(how.columns)
    single = {name for name in columns.values() if isinstance(name, str) and name}
    return single | set(how.columns.paid_at)


def _text_table(
    engine: Any,
    path: Path,
    names: Sequence[str],
    delimiter: str,
    encoding: str,
    skip: int,
    ragged: bool = False,
) -> Table:
    """A CSV as texts, whatever it holds."""
    if engine.name != "duckdb" and skip:
        raise FileRefused(
            "this engine reads files that begin with their columns only",
            "mesin ini hanya membaca berkas yang diawali nama kolom",
        )
    if engine.name != "duckdb":
        of_spark: dict[str, Any] = {"sep": delimiter, "encoding": encoding, "escape": '"'}
        return cast(Table, engine.read_csv(str(path), header=True, inferSchema=False, **of_spark))
    told = engine.read_csv(
        path,
        columns=dict.fromkeys(names, "VARCHAR"),
        auto_detect=False,
        header=True,
        delim=delimiter,
        quote='"',
        escape='"',
        encoding=encoding,
        skip=skip,
        null_padding=ragged,
    )
    return cast(Table, told)


def _understood(raw: Table, how: SettlementMapping, merchant: str) -> Table:
    columns = how.columns
    checks = _told_rightly(raw, how, merchant)
    gross, net = (_rupiah(raw[name], how, checks) for name in (columns.gross, columns.net))
    mdr = _rupiah(raw[columns.mdr], how, checks, negative=how.fees == "negative")
    taken = mdr
    if columns.vat:
        taken += _rupiah(raw[columns.vat], how, checks, negative=how.fees == "negative")
    if columns.withheld:
        taken += _rupiah(raw[columns.withheld], how, checks, negative=how.withheld == "given")
    checks.append(gross - taken == net)
    if (payment := _says(raw, how, "payment")) is not None:
        checks.append(~(payment & (gross < 0)))
    if (refund := _says(raw, how, "refund")) is not None:
        sign = ibis.ifelse(refund & (gross > 0), -1, 1)
        gross, mdr, net = ((sign * amount).cast("int64") for amount in (gross, mdr, net))
    sound = functools.reduce(operator.and_, checks)
    if (unsettled := _says(raw, how, "unsettled")) is not None:
        sound |= unsettled
    nothing = _says(raw, how, "held", "unsettled")
    paid = raw[columns.paid_at[0]]
    if len(columns.paid_at) > 1:
        paid = paid.concat(PAID_APART, raw[columns.paid_at[1]])
    names = (
        {"acquirer_reference": raw[columns.acquirer_reference]}
        if columns.acquirer_reference
        else {
            "acquirer_reference": ibis.literal(""),
            "reference": _told(raw, columns.reference).strip(),
        }
    )
    return raw.select(
        # As they are written: what has spaces around it is left, and read once more afterwards.
        batch_id=raw[columns.settlement_date if how.batch else columns.batch_id],
        settled_on=raw[columns.settlement_date],
        **names,
        rrn=raw[columns.rrn] if columns.rrn else ibis.null("string"),
        gross_rp=gross,
        mdr_rp=mdr,
        net_rp=net,
        paid=paid,
        sound=sound,
        settles=ibis.literal(True) if nothing is None else ~nothing,
    )


def _told_rightly(raw: Table, how: SettlementMapping, merchant: str) -> list[BooleanValue]:
    """What must hold of each line but for its amounts."""
    columns = how.columns
    if columns.acquirer_reference:
        checks = [raw[columns.acquirer_reference] != ""]
    else:
        told = _told(raw, columns.reference).concat(_told(raw, columns.rrn))
        checks = [_name(told) != ""]
    checks += [_name(raw[words.column]).isin(list(words.values)) for words in how.words]
    if columns.currency:
        checks.append(raw[columns.currency] == "IDR")
    if merchant and columns.merchant:
        checks.append(_name(raw[columns.merchant]) == merchant)
    return checks


def _told(raw: Table, column: str) -> StringValue:
    """A column's texts, empty where the mapping knows none."""
    text: StringValue = ibis.coalesce(raw[column], "") if column else ibis.literal("")
    return text


def _says(raw: Table, how: SettlementMapping, *means: str) -> BooleanValue | None:
    """Whether a line says one of these words; None where the mapping knows no such word."""
    found = [
        _name(raw[words.column]).isin(values)
        for words in how.words
        if (values := [value for value, word in words.values.items() if word in means])
    ]
    return functools.reduce(operator.or_, found) if found else None


def _name(column: Any) -> StringValue:
    stripped: StringValue = column.strip()
    return stripped


def _rupiah(
    column: Any, how: SettlementMapping, checks: list[BooleanValue], *, negative: bool = False
) -> IntegerValue:
    """An amount in whole rupiah. A cast rounds: so what has decimals must have two zeros."""
    text = column
    if how.thousands:
        text = text.replace(how.thousands, "")
    if how.decimal != ".":
        text = text.replace(how.decimal, ".")
    whole: IntegerValue = text.try_cast("int64")
    checks.append(~text.contains(".") | text.endswith(".00"))
    checks.append(whole.abs() <= LARGEST_RP * how.units_per_rupiah)
    if how.units_per_rupiah != 1:
        checks.append(whole % how.units_per_rupiah == 0)
        whole = (whole / how.units_per_rupiah).cast("int64")
    return -whole if negative else whole


def _check_trailer(told: Table, last: list[str], how: SettlementMapping) -> None:
    """Whether the last line counts and sums the others as they are."""
    assert how.trailer is not None
    settled = told.filter(told.settles)
    sums = settled.aggregate(gross=settled.gross_rp.sum(), net=settled.net_rp.sum())
    lines = _number(told.count())
    row = sums.to_pyarrow().to_pylist()[0]
    faults = Faults()
    line = sheets.Line(lines + 1, last, sheets.Sheet(how, False, len(last), {}))
    gross_rp, net_rp = int(row["gross"] or 0), int(row["net"] or 0)
    with faults.gathered():
        sheets.check_trailer(line, how.trailer, lines, gross_rp, net_rp, faults)
    faults.refuse_any()


# Matching


def compare(
    booked: Table,
    settled: Table,
    tell: Callable[[Difference], None],
    movements: Callable[[Iterable[str]], Iterable[Movement]] = lambda _: (),
    *,
    how: SettlementMapping,
    period: Period | None = None,
    tolerances: Tolerances = matching.USUAL,
    payouts: bool = True,
    booked_count: int | None = None,
    settled_count: int | None = None,
) -> Compared:
    """Compare the books of a period with what was settled, as `matching.match` compares a day.

    Both tables may reach beyond the period, where the other side of a line may be. `movements`
    is asked for the bank's side once the batches are known; `booked_count` and
    `settled_count` are how many lines the two have, where that is known. Raises FileRefused.
    """
    if booked_count is None:
        booked_count = _number(booked.count())
    done = Compared()

    def found(difference: Difference) -> None:
        done.differences[difference.kind] += 1
        done.difference_rp[difference.kind] += difference.difference_rp
        tell(difference)

    counts = booked_count, settled_count
    with _joined(booked, settled, counts, how) as collapsed:
        batches = _batches(collapsed, done, how)
        reads = _LeftLines(how, period.days if period else None)
        left = _Left(period, done, found, bool(how.columns.reference))
        for ours, theirs in _left_over(collapsed, reads):
            left.compare(ours, theirs)
        left.compare_by_day()
    if payouts:
        of_bank = matching.compare_payouts(batches, movements(batches), tolerances.until)
        done.paid_batches = len(of_bank.paid)
        for difference in of_bank.differences:
            found(difference)
    return done


@contextmanager
def _joined(
    booked: Table, settled: Table, counts: tuple[int, int | None], how: SettlementMapping
) -> Iterator[Table]:
    """What agrees to the letter, and what is left; the engine forgets it afterwards."""
    if not how.columns.acquirer_reference:
        ours, theirs = _alone(booked, how), _alone(settled, how)
        with _collapsed(ours, theirs, how, numbered=True).cache() as collapsed:
            yield collapsed
        return
    with _collapsed(booked, settled, how, numbered=False).cache() as collapsed:
        if not _uses_twice(collapsed, settled, *counts):
            yield collapsed
            return
    ours, theirs = _numbered(booked, OURS), _numbered(settled, THEIRS)
    with _collapsed(ours, theirs, how, numbered=True).cache() as collapsed:
        yield collapsed


def _alone(table: Table, how: SettlementMapping) -> Table:
    """With a number for what alone tells our reference: what does not is left, to be weighed."""
    alone = ibis.ifelse(table.count().over(ibis.window(group_by=table.reference)) == 1, 1, None)
    return table.mutate(nth=alone if how.columns.reference else ibis.null("int64"))


def _collapsed(booked: Table, settled: Table, how: SettlementMapping, *, numbered: bool) -> Table:
    """All that agrees to the letter as one row a batch, and each line that is left as its own."""
    columns, ours_names = how.columns, ours_told(how)
    names = [*ours_names, "nth"] if numbered else ours_names
    ours = booked.select(**{f"our_{name}": booked[name] for name in names})
    goes_by = "acquirer_reference" if columns.acquirer_reference else "reference"
    alike = [
        ours[f"our_{goes_by}"] == settled[goes_by],
        ours.our_amount_rp == settled.gross_rp,
    ]
    if columns.acquirer_reference or columns.rrn:
        alike.append(ours.our_rrn == settled.rrn)
    if numbered:
        alike.append(ours.our_nth == settled.nth)
    both = ours.outer_join(settled, alike)
    agrees = both.our_acquirer_reference.notnull() & both.acquirer_reference.notnull()
    told = {f"our_{name}": both[f"our_{name}"] for name in ours_names}
    told |= {name: both[name] for name in theirs_told(how)}
    whole = ibis.struct(told)
    return both.group_by(
        batch_id=both.batch_id, left=ibis.ifelse(agrees, ibis.null(whole.type()), whole)
    ).aggregate(
        count=both.count(),
        lines=both.acquirer_reference.count(),
        sound=both.sound.count(where=both.sound),
        gross_rp=both.gross_rp.sum(),
        mdr_rp=both.mdr_rp.sum(),
        net_rp=both.net_rp.sum(),
        settled_on=both.settled_on.arbitrary(),
    )


def _uses_twice(
    collapsed: Table, settled: Table, booked_count: int, settled_count: int | None
) -> bool:
    """Whether a line agrees with several, so that more came out of the join than went in."""
    left = collapsed.left
    count = collapsed["count"]
    matched = left.isnull()
    sums = collapsed.aggregate(
        ours=count.sum(where=matched | left["our_acquirer_reference"].notnull()),
        theirs=count.sum(where=matched | left["acquirer_reference"].notnull()),
    )
    came = sums.to_pyarrow().to_pylist()[0]
    went = (booked_count, _number(settled.count()) if settled_count is None else settled_count)
    return (int(came["ours"] or 0), int(came["theirs"] or 0)) != went


def _numbered(table: Table, names: Sequence[str]) -> Table:
    """With a number for each of several lines that say the same, in the order of `matching`."""
    amount = "amount_rp" if "amount_rp" in names else "gross_rp"
    further = ["returned_rrn"] if amount == "amount_rp" else ["batch_id", "mdr_rp", "net_rp"]
    window = ibis.window(
        group_by=[table.acquirer_reference, table.rrn, table[amount]],
        order_by=[
            ibis.coalesce(table[name], "") if table[name].type().is_string() else table[name]
            for name in further
        ],
    )
    return table.mutate(nth=ibis.row_number().over(window))


def _number(value: Any) -> int:
    """What an engine answers; nothing added up is nothing."""
    return int(value.to_pyarrow().as_py() or 0)


def _batches(collapsed: Table, done: Compared, how: SettlementMapping) -> dict[str, Batch]:
    lines = collapsed.filter(collapsed.batch_id.notnull())
    by_batch = lines.group_by("batch_id").aggregate(
        count=lines["count"].sum(),
        unsound=(lines.lines - lines.sound).sum(),
        gross_rp=lines.gross_rp.sum(),
        mdr_rp=lines.mdr_rp.sum(),
        net_rp=lines.net_rp.sum(),
        settled_on=lines.settled_on.arbitrary(),
    )
    # A line without a batch is not sound either.
    nameless = collapsed.left["acquirer_reference"].notnull() & collapsed.batch_id.isnull()
    unsound = _number(nameless.sum())
    batches: dict[str, Batch] = {}
    for row in by_batch.to_pyarrow().to_pylist():
        unsound += int(row["unsound"] or 0)
        if unsound:
            continue
        done.lines += row["count"]
        for name in ("gross_rp", "mdr_rp", "net_rp"):
            setattr(done, name, getattr(done, name) + int(row[name]))
        day = _day(row["settled_on"], how)
        name = day.strftime(how.batch) if how.batch else row["batch_id"].strip()
        before = batches.get(name, Batch(0))
        batches[name] = Batch(before.net_rp + int(row["net_rp"]), day)
    if unsound:
        raise FileRefused(
            f"{unsound} lines say what their mapping does not allow;"
            " `karcis settlement import --dry-run` names each",
            f"{unsound} baris tidak sesuai pemetaannya;"
            " `karcis settlement import --dry-run` menyebut masing-masing",
        )
    matched = collapsed.filter(collapsed.left.isnull())["count"].sum()
    done.matched[_reason(how)] += _number(matched)
    return batches


def _reason(how: SettlementMapping) -> Reason:
    """By what the engine itself knew two lines to be of the same money."""
    if how.columns.acquirer_reference:
        return Reason.SAME_RRN
    return Reason.OUR_REFERENCE_AND_RRN if how.columns.rrn else Reason.OUR_REFERENCE


def _day(text: str, how: SettlementMapping) -> date:
    sheet = sheets.Sheet(how, False, 1, {"settlement_date": 0})
    return sheets.Line(0, [text], sheet).day("settlement_date")


class _LeftLines:
    """Lines the engine left, read by the mapping as an import reads them."""

    def __init__(self, how: SettlementMapping, days: BusinessDays | None) -> None:
        self.how = how
        self.days = days
        self.ours_told = ours_told(how)
        self.names = [f"paid_at_{at}" for at, _ in enumerate(how.columns.paid_at)]
        columns = {name: at for at, name in enumerate(self.names)}
        self.sheet = sheets.Sheet(how, False, len(self.names), columns)

    def ours(self, told: Mapping[str, Any]) -> Booked:
        values = {name: told[f"our_{name}"] for name in self.ours_told}
        day = date.fromisoformat(str(values.pop("day")))
        return Booked(**{"reference": ""} | values, day=day)

    def theirs(self, told: Mapping[str, Any], batch_id: str) -> Settled:
        name = batch_id.strip()
        if self.how.batch:
            name = _day(batch_id, self.how).strftime(self.how.batch)
        theirs = told["acquirer_reference"].strip() or None
        paid_at = None
        if self.days is not None or theirs is None:
            line = sheets.Line(0, (told["paid"] or "").split(PAID_APART), self.sheet)
            paid_at = line.moment(self.names)
        settled = Settled(
            name,
            "" if theirs else told["reference"],
            theirs,
            network_id(told["rrn"]),
            told["gross_rp"],
            told["mdr_rp"],
            told["net_rp"],
            day=self.days.of(paid_at) if self.days is not None and paid_at else None,
            paid_at=None if theirs else paid_at,
        )
        if not (theirs or settled.reference or settled.rrn):
            raise FileRefused(
                "a line tells neither a reference nor an RRN",
                "ada baris tanpa nomor rujukan dan tanpa RRN",
            )
        return settled


def _left_over(collapsed: Table, reads: _LeftLines) -> Iterator[tuple[list[Booked], list[Settled]]]:
    """What is left, name by name, so that never all of it is held."""
    left = collapsed.filter(collapsed.left.notnull())
    rows = left.select("left", "count", "batch_id", named=_goes_by(left.left, reads.how))
    told = (
        row
        for batch in rows.order_by("named").to_pyarrow_batches(chunk_size=10_000)
        for row in batch.to_pylist()
    )
    for _, group in itertools.groupby(told, key=lambda row: row["named"]):
        ours: list[Booked] = []
        theirs: list[Settled] = []
        for row in group:
            if row["left"]["our_acquirer_reference"] is not None:
                ours += [reads.ours(row["left"])] * row["count"]
            else:
                theirs += [reads.theirs(row["left"], row["batch_id"])] * row["count"]
        yield ours, theirs


def _goes_by(left: Any, how: SettlementMapping) -> StringValue:
    """The name under which lines that may belong together come together; first of all without."""
    name: StringValue
    if how.columns.acquirer_reference or how.columns.reference:
        goes_by = "acquirer_reference" if how.columns.acquirer_reference else "reference"
        name = ibis.coalesce(left[f"our_{goes_by}"], left[goes_by]).strip()
        return name
    rrn = ibis.coalesce(left["our_rrn"], left["rrn"], left["our_acquirer_reference"], "")
    # What went back may go by the RRN of its payment, and by its own.
    went_back = ibis.coalesce(left["our_amount_rp"], left["gross_rp"]) < 0
    name = ibis.ifelse(went_back, "", rrn.re_replace(r"\s", "").re_replace("^0+", ""))
    return name


@dataclass
class _Left:
    """Compares what the engine left, and keeps what goes by RRN and day until all money is seen."""

    period: Period | None
    done: Compared
    found: Callable[[Difference], None]
    by_reference: bool
    """Whether a line that has none comes apart from the money that it may be of."""
    without: list[Settled] = field(default_factory=list)
    rrns: set[str | None] = field(default_factory=set)
    may_fit: list[Booked] = field(default_factory=list)

    def compare(self, ours: list[Booked], theirs: list[Settled]) -> None:
        """Of one name; lines without any come first."""
        told = theirs[0].acquirer_reference or theirs[0].reference if theirs else ""
        if self.by_reference and theirs and not told:
            self.without += theirs
            self.rrns |= {s.rrn for s in theirs}
            return
        pairs, unsettled, unbooked = matching.pair(ours, theirs)
        if self.rrns:
            fits = [not self.rrns.isdisjoint({b.rrn, b.returned_rrn}) for b in unsettled]
            self.may_fit += itertools.compress(unsettled, fits)
            unsettled = [b for b, may in zip(unsettled, fits, strict=True) if not may]
        self._tell(pairs, unsettled, unbooked)

    def compare_by_day(self) -> None:
        if self.without:
            self._tell(*matching.pair(self.may_fit, self.without))

    def _tell(self, pairs: list[Pair], unsettled: list[Booked], unbooked: list[Settled]) -> None:
        several = matching.several_fit(unsettled, unbooked)
        for p in pairs:
            if p.booked.amount_rp == p.settled.gross_rp:
                self.done.matched[p.reason] += 1
        if self.period is not None:
            holds = self.period.holds
            unsettled = [b for b in unsettled if b.day and holds(b.day)]
            unbooked = [s for s in unbooked if s.day and holds(s.day)]
            self.done.across_midnight += sum(p.booked.day != p.settled.day for p in pairs)
        for difference in matching.lines_differ(pairs, unsettled, unbooked, several):
            self.found(difference)
