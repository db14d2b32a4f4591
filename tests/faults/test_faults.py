"""The fault harness itself: its gate breaks what it should, its judge sees what is wrong."""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.faults import __main__ as harness
from tests.faults import (
    allowing,
    camera,
    clocks,
    dying,
    enrolling,
    evidence,
    partition,
    plates,
    powerless,
    sending,
)
from tests.faults.crashes import COMMAND_POINTS, SERVER_POINTS, points_in_source
from tests.faults.gate import Fault, Gate, Mode
from tests.faults.printing import Trial
from tests.faults.rows import ROWS
from tests.faults.stage import Cluster, compare

ANSWER = b"sudah dikerjakan"


async def asked(fault: Fault | None, mode: Mode = Mode.OPEN, done: int = 0) -> tuple[int, bytes]:
    """How often a service behind a broken gate was asked, once it was at least so often; and what
    its client heard, who waits a moment where silence is due.
    """
    is_silent = fault is Fault.SILENCE or mode in (Mode.READ_NOTHING, Mode.ANSWER_NOTHING)
    times = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal times
        if await reader.read(100):
            times += 1
            writer.write(ANSWER)
        await reader.read()
        writer.close()

    service = await asyncio.start_server(serve, "127.0.0.1", 0)
    gate = Gate(service.sockets[0].getsockname()[1], lambda _piece: fault)
    gate.mode, gate.delay_s = mode, 0.01
    await gate.open()
    heard = b""
    reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
    writer.write(b"kerjakan")
    try:
        async with asyncio.timeout(0.3 if is_silent else 60):
            while len(heard) < len(ANSWER) and (piece := await reader.read(100)):
                heard += piece
    except (TimeoutError, ConnectionError):
        heard += b"..."
    async with asyncio.timeout(60):
        while times < done:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    writer.close()
    await gate.close()
    service.close()
    await service.wait_closed()
    assert sum(gate.fired.values()) == (fault is not None or mode is not Mode.OPEN)
    return times, heard


@pytest.mark.parametrize(
    ("fault", "done", "heard"),
    [
        (None, 1, ANSWER),
        (Fault.CLOSE, 0, b""),
        (Fault.LOSE_ANSWER, 1, b""),
        (Fault.TRUNCATE, 1, ANSWER[:8]),
        (Fault.SPLIT, 1, ANSWER),
        (Fault.DELAY, 1, ANSWER),
        (Fault.SILENCE, 0, b"..."),
    ],
)
async def test_a_gate_breaks_a_wire_in_its_own_way(
    fault: Fault | None, done: int, heard: bytes
) -> None:
    assert await asked(fault, done=done) == (done, heard)


@pytest.mark.parametrize(
    ("mode", "heard"), [(Mode.ACCEPT_NOTHING, b""), (Mode.READ_NOTHING, b"...")]
)
async def test_a_gate_can_be_shut(mode: Mode, heard: bytes) -> None:
    times, said = await asked(None, mode)
    assert times == 0
    assert said in (heard, b"...")  # a closed socket may also be a reset one


async def test_a_gate_can_lead_one_way() -> None:
    assert await asked(None, Mode.ANSWER_NOTHING, done=1) == (1, b"...")


def test_the_judge_sees_every_kind_of_loss() -> None:
    paid = [(("a", "1"), 2_000), (("b", "2"), 2_000)]
    a, b = ("a", "1", 2_000, "exact"), ("b", "2", 2_000, "exact")
    assert not compare(paid, [a, b])
    assert compare(paid, [a]) == {"money lost": 1}
    assert compare(paid, [a, a, b]) == {"money booked twice": 1}
    assert compare(paid, [a, b, ("c", "3", 1, "exact")]) == {"money invented": 1}
    assert compare(paid, [a, ("b", "2", 2_001, "exact")]) == {"another amount": 1}
    twice = [(("a", "1"), 2_000), (("a", "2"), 2_000)]
    assert compare(twice, [a, ("a", "2", 2_000, "exact")]) == {"second payment booked as a sale": 1}
    assert not compare(twice, [a, ("a", "2", 2_000, "duplicate")])


def test_every_crash_point_of_the_server_is_in_the_catalogue() -> None:
    assert points_in_source() == {*SERVER_POINTS, *COMMAND_POINTS}


def test_a_silent_printer_has_one_original_of_the_queue_and_several_of_the_control(
    tmp_path: Path,
) -> None:
    ours, naive = (
        Trial(tmp_path / name, name == "ours", ("silent",), keys=("R-1",)).play()
        for name in ("ours", "naive")
    )
    assert ours.violations == {}
    assert (ours.acked, ours.stored, ours.fired["silent"]) == (1, 1, 1)
    assert naive.violations == {"two originals": 1}


Small = tuple[tuple[ModuleType, str, object], ...]
"""What a row has too many of for here: the module, the name, and what it is instead."""
PLAYED: tuple[tuple[str, int, str, Small], ...] = (
    # the row, how much is played at least, what the control must lose, what is less than usual
    ("T5", 4, "acknowledged and not at the server", (
        (dying, "LANES", 1), (dying, "EVERY", 45), (dying, "NAIVE_LIVES", 3),
    )),
    ("T6", 18, "acknowledged event lost", ((powerless, "SEEDS", 6),)),
    ("T7", 1, "acknowledged and not at the server", ()),
    ("T8", 2, "offline was not said in time", (
        (partition, "SPELLS", partition.SPELLS[1::5]), (partition, "SAID_WITHIN_S", 12.0),
    )),
    ("T9", 24, "event recorded twice", ((sending, "CASES", 24), (sending, "DEVICES", 2))),
    ("T10", 7, "a false event was believed", ()),
    ("T11", 120, "money booked twice", ()),
    ("T20", 2, "a time by the device's clock", ((clocks, "CLOCKS", clocks.CLOCKS[6::2]),)),
    ("T28", 900, allowing.BEYOND, ()),
    ("T29", 7, "a copy was believed", ((enrolling, "ATTEMPTS", 1),)),
    ("T30", 22, "false sign taken for ours", ((evidence, "WARPS", 1),)),
    ("T31", 14, "fake taken for paid", ()),
    ("T37", 6, "plate in clear", ((plates, "DRIVERS", 6),)),
    ("T32", 8, "one of two codes was taken", (
        (camera, "OF_EACH", 1), (camera, "OF_TWO", 1), (camera, "CAMERAS", camera.CAMERAS[:1]),
    )),
)  # fmt: skip
"""T16 and T35 are played likewise in `tests/simulation`; the others take longer than a test may."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with (
        tempfile.TemporaryDirectory(prefix="karcis-", ignore_cleanup_errors=True) as folder,
        Cluster(Path(folder)) as cluster,
    ):
        yield cluster


@pytest.mark.parametrize(
    ("name", "runs", "lost", "small"), PLAYED, ids=[name for name, *_ in PLAYED]
)
def test_a_row_is_kept_by_karcis_and_broken_by_the_control(
    name: str,
    runs: int,
    lost: str,
    small: Small,
    cluster: Cluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On the real parts, with little of what there is much of, so that no row can rot."""
    for module, what, less in small:
        monkeypatch.setattr(module, what, less)
    row = next(row for row in ROWS if row.name == name)
    results: harness.Results = {}
    asyncio.run(harness.play(cluster, [(row, 1)], tmp_path, results, at_once=2))
    ours, naive = results[name][1]
    assert ours.violations == {}, ours.examples
    assert ours.runs >= runs
    assert ours.acked == ours.stored
    assert ours.fired
    assert naive.violations[lost], naive.violations
