"""The fault harness itself: its gate breaks what it should, its judge sees what is wrong."""

import asyncio
import tempfile
from pathlib import Path

import pytest

from tests.faults import __main__ as harness
from tests.faults.crashes import COMMAND_POINTS, SERVER_POINTS, points_in_source
from tests.faults.gate import Fault, Gate, Mode
from tests.faults.rows import ROWS
from tests.faults.stage import Cluster, compare

ANSWER = b"sudah dikerjakan"


async def asked(fault: Fault | None, mode: Mode = Mode.OPEN) -> tuple[int, bytes]:
    """How often a service behind a broken gate was asked, and what its client heard."""
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
        async with asyncio.timeout(0.3):
            while len(heard) < len(ANSWER) and (piece := await reader.read(100)):
                heard += piece
    except (TimeoutError, ConnectionError):
        heard += b"..."
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
    assert await asked(fault) == (done, heard)


@pytest.mark.parametrize(
    ("mode", "heard"), [(Mode.ACCEPT_NOTHING, b""), (Mode.READ_NOTHING, b"...")]
)
async def test_a_gate_can_be_shut(mode: Mode, heard: bytes) -> None:
    times, said = await asked(None, mode)
    assert times == 0
    assert said in (heard, b"...")  # a closed socket may also be a reset one


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


def test_a_row_is_kept_by_karcis_and_broken_by_the_control() -> None:
    """The quickest row on the real parts, so that the harness cannot rot."""
    row = next(row for row in ROWS if row.name == "T11")
    with (
        tempfile.TemporaryDirectory(prefix="karcis-", ignore_cleanup_errors=True) as folder,
        Cluster(Path(folder)) as cluster,
    ):
        results: harness.Results = {}
        asyncio.run(harness.play(cluster, [(row, 1)], Path(folder), results, at_once=2))
    ours, naive = results["T11"][1]
    assert ours.violations == {}
    assert ours.acked == ours.stored == 42
    assert ours.replays == 120
    assert naive.violations["money booked twice"] > 100
