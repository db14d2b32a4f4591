"""The engine's matching against the pure one: the same lines, the same outcome, in any order."""

import csv
import importlib.util
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.business_days import BusinessDays
from server.errors import FileRefused
from server.reconciliation import volume
from server.reconciliation.mappings import SettlementMapping, mapping, parsed
from server.reconciliation.matching import Booked, Difference, Movement, Settled, match
from server.reconciliation.settlements import SANDBOX
from tests.extras import absent

FIXTURES = Path("fixtures/settlements")
DAY = date(2026, 11, 21)
HEADER = (
    "batch_id", "settlement_date", "transaction_time", "partner_reference_no", "reference_no",
    "rrn", "gross", "mdr", "net", "currency",
)  # fmt: skip
REFERENCES = st.sampled_from(["ACQ-1", "ACQ-2"])
RRNS = st.sampled_from([None, "100000000001", "100000000002"])
AMOUNTS = st.sampled_from([2000, 4000, -2000, -4000])
OURS = st.sampled_from(["kami-1", "kami-2"])
BATCHES = ["BCH-A1", "BCH-A10", "BCH-A2"]

booked_lines = st.lists(st.builds(Booked, OURS, REFERENCES, RRNS, AMOUNTS, RRNS), max_size=9)
settled_lines = st.lists(
    st.builds(
        lambda batch, ours, reference, rrn, gross, mdr: Settled(
            batch, ours, reference, rrn, gross, mdr, gross - mdr
        ),
        st.sampled_from(BATCHES), OURS, REFERENCES, RRNS, AMOUNTS, st.sampled_from([0, 14]),
    ),
    max_size=9,
)  # fmt: skip
movement_lines = st.lists(
    st.builds(
        Movement,
        st.uuids().map(str),
        st.sampled_from([2000, 4000, 6000, 8000, -2000, 1986, 3986]),
        st.sampled_from([*BATCHES, None]),
        also=st.sampled_from([(), ("BCH-A2",), ("BCH-A1", "BCH-A10")]),
    ),
    max_size=5,
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return volume.duckdb(tmp_path_factory.mktemp("duckdb"), memory_mb=200, threads=1)


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    if importlib.util.find_spec("pyspark") is None or shutil.which("java") is None:
        absent("PySpark and Java")
    import ibis
    from pyspark.sql import SparkSession

    alone = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    session = alone.config("spark.sql.shuffle.partitions", "1").getOrCreate()
    yield ibis.pyspark.connect(session)
    session.stop()


def write_booked(
    path: Path, lines: Sequence[tuple[date, Booked]], names: Sequence[str] = volume.OURS
) -> None:
    with volume.BookedFile(path, names) as file:
        for day, line in lines:
            file.write(day, line)


def write_settled(path: Path, lines: Sequence[Settled]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for s in lines:
            at = s.paid_at.isoformat() if s.paid_at else f"{DAY}T08:00:00+07:00"
            when = (DAY, at, s.reference, s.acquirer_reference, s.rrn)
            writer.writerow((s.batch_id, *when, s.gross_rp, s.mdr_rp, s.net_rp, "IDR"))


def compare(
    engine: Any,
    folder: Path,
    booked: Sequence[Booked],
    settled: Sequence[Settled],
    movements: Sequence[Movement] = (),
    how: SettlementMapping = SANDBOX,
) -> tuple[volume.Compared, Counter[Difference]]:
    names = volume.ours_told(how)
    write_booked(folder / "booked.csv", [(DAY, b) for b in booked], names)
    write_settled(folder / "settled.csv", settled)
    told: list[Difference] = []
    compared = volume.compare(
        volume.read_booked(engine, folder / "booked.csv", names),
        volume.read_settled(engine, folder / "settled.csv", how),
        told.append,
        lambda _: movements,
        how=how,
        settled_count=volume.lines_of(folder / "settled.csv", how),
    )
    return compared, Counter(told)


def check_agrees(
    engine: Any,
    folder: Path,
    booked: Sequence[Booked],
    settled: Sequence[Settled],
    movements: Sequence[Movement],
    how: SettlementMapping = SANDBOX,
) -> None:
    compared, differences = compare(engine, folder, booked, settled, movements, how)
    expected = match(booked, settled, movements)
    assert differences == Counter(expected.differences)
    assert +compared.matched == Counter(m.reason for m in expected.matched)
    assert compared.paid_batches == len(expected.paid)
    assert compared.lines == len(settled)
    assert compared.net_rp == sum(s.net_rp for s in settled)


def told_without(*columns: str) -> SettlementMapping:
    """The sandbox's mapping for a file that has not these columns."""
    told = SANDBOX.model_dump(exclude_defaults=True)
    for column in columns:
        del told["columns"][column]
    return parsed(SettlementMapping, told)


WITHOUT = {
    "our reference and RRN": told_without("acquirer_reference"),
    "our reference": told_without("acquirer_reference", "rrn"),
    "RRN": told_without("acquirer_reference", "reference"),
}
OF_MONEY = {"kami-1": "ACQ-1", "kami-2": "ACQ-2", "kami-3": "ACQ-2"}
"""A charge of ours has one reference of the acquirer's, which may have others' too."""
own_booked = st.lists(
    st.builds(
        lambda ours, rrn, amount, returned: Booked(ours, OF_MONEY[ours], rrn, amount, returned),
        st.sampled_from(sorted(OF_MONEY)), RRNS, AMOUNTS, RRNS,
    ),
    max_size=9,
)  # fmt: skip
own_settled = st.lists(
    st.builds(
        lambda batch, ours, rrn, gross, hour: Settled(
            batch, ours, None, rrn, gross, 14, gross - 14,
            paid_at=datetime(2026, 11, 21, hour, tzinfo=UTC),
        ),
        st.sampled_from(BATCHES), st.sampled_from(["", *OF_MONEY]), RRNS, AMOUNTS,
        st.integers(1, 3),
    ),
    max_size=9,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(own_booked, own_settled, st.sampled_from(sorted(WITHOUT)), st.randoms())
def test_the_engine_agrees_also_where_a_file_has_no_reference_of_the_acquirers(
    engine: Any,
    tmp_path_factory: pytest.TempPathFactory,
    booked: list[Booked],
    lines: list[Settled],
    shape: str,
    rng: random.Random,
) -> None:
    how, folder = WITHOUT[shape], tmp_path_factory.mktemp("lines")
    settled = [
        replace(
            line,
            rrn=line.rrn if how.columns.rrn else None,
            reference=line.reference if how.columns.reference else "",
        )
        for line in lines
    ]
    settled = [line for line in settled if line.reference or line.rrn]
    check_agrees(engine, folder, booked, settled, [], how)
    rng.shuffle(booked)
    rng.shuffle(settled)
    check_agrees(engine, folder, booked, settled, [], how)


@settings(max_examples=30, deadline=None)
@given(booked_lines, settled_lines, movement_lines, st.randoms())
def test_the_engine_agrees_with_the_pure_matching_in_any_order(
    engine: Any,
    tmp_path_factory: pytest.TempPathFactory,
    booked: list[Booked],
    settled: list[Settled],
    movements: list[Movement],
    rng: random.Random,
) -> None:
    folder = tmp_path_factory.mktemp("lines")
    check_agrees(engine, folder, booked, settled, movements)
    for lines in (booked, settled, movements):
        rng.shuffle(lines)  # type: ignore[arg-type]
    check_agrees(engine, folder, booked, settled, movements)


def of_a_day(rng: random.Random, count: int) -> tuple[list[Booked], list[Settled]]:
    """Mostly what agrees, and each way not to."""
    booked, settled = [], []
    for at in range(count):
        rrn, gross = f"{100_000_000_000 + at}", rng.choice([2000, 4000])
        reference = f"ACQ-{at // 2}"
        ours = Booked(f"kami-{at}", reference, rrn, gross)
        theirs = Settled(rng.choice(BATCHES), f"kami-{at}", reference, rrn, gross, 14, gross - 14)
        match rng.randrange(20):
            case 0:
                ours = replace(ours, rrn=None)
            case 1:
                theirs = replace(theirs, rrn=None)
            case 2:
                theirs = replace(theirs, gross_rp=gross + 1, net_rp=gross - 13)
            case 3:
                ours = replace(ours, rrn="RFD", amount_rp=-gross, returned_rrn=rrn)
                theirs = replace(theirs, gross_rp=-gross, mdr_rp=0, net_rp=-gross)
            case 4:
                settled.append(theirs)
        if rng.random() > 0.05:
            booked.append(ours)
        if rng.random() > 0.05:
            settled.append(theirs)
    rng.shuffle(booked)
    rng.shuffle(settled)
    return booked, settled


@pytest.mark.filterwarnings("default")
@pytest.mark.extras
def test_pyspark_gives_the_same_outcome(spark: Any, tmp_path: Path) -> None:
    booked, settled = of_a_day(random.Random(7), 200)
    check_agrees(spark, tmp_path, booked, settled, [Movement("bank/1", 4000, "BCH-A1")])


def test_a_payment_at_midnight_is_matched_across_the_days_of_a_period(
    engine: Any, tmp_path: Path
) -> None:
    booked = [Booked("kami", "ACQ-1", None, 4000), Booked("kami", "ACQ-2", "100000000002", 2000)]
    dated = [(date(2026, 11, 20), booked[0]), (date(2026, 11, 20), booked[1])]
    write_booked(tmp_path / "booked.csv", dated)
    write_settled(
        tmp_path / "settled.csv",
        [Settled("BCH-A1", "kami", "ACQ-1", "100000000001", 4000, 0, 4000)],
    )
    told: list[Difference] = []
    compared = volume.compare(
        volume.read_booked(engine, tmp_path / "booked.csv"),
        volume.read_settled(engine, tmp_path / "settled.csv", SANDBOX),
        told.append,
        how=SANDBOX,
        period=volume.Period(DAY, DAY, BusinessDays(ZoneInfo("Asia/Jakarta"))),
        payouts=False,
    )
    # The second is of the day before the period, whose settlement is not asked for.
    assert (compared.across_midnight, told) == (1, [])


@pytest.mark.parametrize(
    ("name", "how"),
    [("clean", "sandbox"), ("dana-cents", "dana-like"), ("nicepay", "nicepay-like"),
     ("nicepay-held", "nicepay-like"), ("two-batches", "sandbox"), ("bom-crlf", "sandbox"),
     ("negative-refund", "sandbox"), ("dana-refund-without-sign", "dana-like")],
)  # fmt: skip
def test_the_engine_reads_a_file_as_an_import_does(engine: Any, name: str, how: str) -> None:
    from server.reconciliation import settlements

    path, told = FIXTURES / f"{name}.csv", mapping(SettlementMapping, how)
    table = volume.read_settled(engine, path, told)
    rows = settlements.read(path.read_bytes(), told).rows
    assert volume.lines_of(path, told) in (None, len(rows))
    read = {
        (row["acquirer_reference"], row["gross_rp"], row["mdr_rp"], row["net_rp"])
        for row in table.to_pyarrow().to_pylist()
        if row["sound"]
    }
    assert read == {(r.acquirer_reference, r.gross_rp, r.mdr_rp, r.net_rp) for r in rows}


@pytest.mark.parametrize(
    ("name", "how"),
    [("dana-not-whole", "dana-like"), ("nicepay-wrong-trailer", "nicepay-like"),
     ("nicepay-half", "nicepay-like"), ("nicepay-unknown-code", "nicepay-like"),
     ("thousands", "sandbox"), ("nicepay", "sandbox")],
)  # fmt: skip
def test_a_file_that_an_import_refuses_the_engine_refuses_too(
    engine: Any, tmp_path: Path, name: str, how: str
) -> None:
    told = mapping(SettlementMapping, how)
    write_booked(tmp_path / "booked.csv", [])
    with pytest.raises(FileRefused):
        volume.compare(
            volume.read_booked(engine, tmp_path / "booked.csv"),
            volume.read_settled(engine, FIXTURES / f"{name}.csv", told),
            lambda _: None,
            how=told,
        )


LINES = st.lists(st.sampled_from(["2026", ",a", '"', "\n", "\r\n", "\n", "\n"]), max_size=12)


@given(LINES, st.integers(1, 4))
def test_line_ends_are_counted_where_they_alone_tell_how_many_lines_there_are(
    told: list[str], at_once: int
) -> None:
    text = "".join(told)
    with tempfile.NamedTemporaryFile() as file, pytest.MonkeyPatch.context() as patch:
        file.write(text.encode())
        file.flush()
        patch.setattr(volume, "COUNTED_AT_ONCE", at_once)
        found = volume.lines_of(Path(file.name), SANDBOX)
    unsure = '"' in text or "\n\n" in text or "\n\r\n" in text or not text.endswith("\n")
    assert found == (None if unsure else text.count("\n") - SANDBOX.header.line)
