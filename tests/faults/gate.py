"""A TCP gate between two parts, through which a test breaks the wire on purpose.

Every piece that a client sends is shown to `judge`; what it answers happens to that connection.
Commands of PostgreSQL and requests of HTTP fit in one piece on loopback, which is all it needs.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

PIECE = 64 * 1024
SLOW_S = 0.02


class Fault(StrEnum):
    CLOSE = "close"  # nothing is forwarded
    LOSE_ANSWER = "lose-answer"  # forwarded and done; the answer is thrown away
    TRUNCATE = "truncate"  # half of the answer, then the end
    SPLIT = "split"  # the answer in crumbs
    DELAY = "delay"  # the answer comes after `delay_s`
    SILENCE = "silence"  # nothing is forwarded, and the connection stays open


class Mode(StrEnum):
    """What happens to every connection."""

    OPEN = "open"
    ACCEPT_NOTHING = "accept-nothing"  # closed as soon as it is made
    READ_NOTHING = "read-nothing"  # made, and never read: as if every packet vanished
    ANSWER_NOTHING = "answer-nothing"  # led there, and no answer comes back


Judge = Callable[[bytes], Fault | None]


class Gate:
    """Listens on a port of its own and leads to `target`: a port, or a Unix socket."""

    def __init__(self, target: int | Path, judge: Judge = lambda _piece: None) -> None:
        self.target = target
        self.judge = judge
        self.mode = Mode.OPEN
        self.delay_s = 1.0
        self.fired: Counter[str] = Counter()
        self._live: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        self._server.close()
        self.cut()
        await asyncio.gather(*self._live, return_exceptions=True)

    def cut(self) -> int:
        """Cut every connection; how many there were."""
        for task in self._live:
            task.cancel()
        return len(self._live)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._live.add(task)
        try:
            if self.mode is not Mode.OPEN:
                self.fired[self.mode] += 1
            if self.mode is Mode.READ_NOTHING:
                await asyncio.Event().wait()
            if self.mode in (Mode.OPEN, Mode.ANSWER_NOTHING):
                await self._lead(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass  # one end is gone, or the gate is closing: the other end is closed below
        finally:
            self._live.discard(task)
            writer.close()

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if isinstance(self.target, Path):
            there, to_there = await asyncio.open_unix_connection(self.target)
        else:
            there, to_there = await asyncio.open_connection("127.0.0.1", self.target)
        wire = _Wire()
        ways = [
            asyncio.create_task(self._there(reader, to_there, wire)),
            asyncio.create_task(self._back(there, writer, wire)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            to_there.close()

    async def _there(
        self, reader: asyncio.StreamReader, to_there: asyncio.StreamWriter, wire: "_Wire"
    ) -> None:
        while piece := await reader.read(PIECE):
            if self.mode is Mode.READ_NOTHING:
                await asyncio.Event().wait()
            wire.fault = self.judge(piece)
            if wire.fault is not None:
                self.fired[wire.fault] += 1
            if wire.fault is Fault.CLOSE:
                return
            if wire.fault is Fault.SILENCE:
                await asyncio.Event().wait()
            to_there.write(piece)
            await to_there.drain()

    async def _back(
        self, there: asyncio.StreamReader, writer: asyncio.StreamWriter, wire: "_Wire"
    ) -> None:
        while piece := await there.read(PIECE):
            if wire.fault is Fault.LOSE_ANSWER:
                return
            if self.mode in (Mode.READ_NOTHING, Mode.ANSWER_NOTHING):
                continue
            if wire.fault is Fault.DELAY:
                await asyncio.sleep(self.delay_s)
            if wire.fault is Fault.TRUNCATE:
                writer.write(piece[: len(piece) // 2])
                await writer.drain()
                return
            size = 16 if wire.fault is Fault.SPLIT else PIECE
            for start in range(0, len(piece), size):
                writer.write(piece[start : start + size])
                with contextlib.suppress(ConnectionError):
                    await writer.drain()
                if wire.fault is Fault.SPLIT:
                    await asyncio.sleep(SLOW_S)


class _Wire:
    """What happens to one connection now."""

    fault: Fault | None = None
