# ruff: noqa: N802 - the names are those that SQLite calls
"""T6: power lost at any moment, on a disk that keeps only what was synced to it.

The handheld's own store and journal write to a disk in memory, which logs every write and sync. A
crash is a cut in that log: before it all that was synced stands, of the rest any part may.
"""

import asyncio
import random
import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import apsw

from attendant_app import device_key, journal
from attendant_app.store import Charge, Outgoing, Shift, Store, Sync, stamp
from domain.events import EventKind, verify_chain
from domain.payment import ChargeKind
from tests.faults.stage import Stage

SEEDS = 240
CUTS = 3
"""Crashes of each seed's writing."""
MEMORY = "/dev/shm" if Path("/dev/shm").exists() else None
"""Where the images are written: what is opened once and thrown away need not reach a disk."""
NOON = datetime(2026, 11, 21, 5, tzinfo=UTC)
Written = tuple[str, str, int, bytes]
"""File, what was done to it (write, cut, sync, delete), where, and the bytes."""


@dataclass
class Disk:
    """Files in memory, and the log of what was done to them."""

    files: dict[str, bytearray] = field(default_factory=dict)
    log: list[Written] = field(default_factory=list)

    def do(self, written: Written) -> None:
        self.log.append(written)
        apply(self.files, written)

    def after_crash(self, at: int, rng: random.Random) -> dict[str, bytearray]:
        """The files that a start finds where power went after so many entries of the log."""
        files: dict[str, bytearray] = {}
        unsynced: dict[str, list[Written]] = {}
        for written in self.log[:at]:
            name, what, *_ = written
            if what == "sync":
                for waiting in unsynced.pop(name, []):
                    apply(files, waiting)
            elif what == "delete":
                unsynced.pop(name, None)
                apply(files, written)
            else:
                unsynced.setdefault(name, []).append(written)
        for writes in unsynced.values():
            kept = [written for written in writes if rng.random() < 0.5]
            rng.shuffle(kept)
            for written in kept:
                apply(files, written)
        return files


def apply(files: dict[str, bytearray], written: Written) -> None:
    name, what, place, content = written
    if what == "delete":
        files.pop(name, None)
        return
    file = files.setdefault(name, bytearray())
    if what == "write":
        file.extend(bytes(max(0, place - len(file))))
        file[place : place + len(content)] = content
    elif what == "cut":
        del file[place:]


class DiskFile:
    """One open file as SQLite asks for it; only one connection ever does."""

    def __init__(self, disk: Disk, name: str) -> None:
        self.disk, self.name = disk, name
        disk.files.setdefault(name, bytearray())

    def xRead(self, amount: int, offset: int) -> bytes:
        return bytes(self.disk.files[self.name][offset : offset + amount])

    def xWrite(self, content: bytes, offset: int) -> None:
        self.disk.do((self.name, "write", offset, bytes(content)))

    def xTruncate(self, size: int) -> None:
        self.disk.do((self.name, "cut", size, b""))

    def xSync(self, _flags: int) -> None:
        self.disk.do((self.name, "sync", 0, b""))

    def xFileSize(self) -> int:
        return len(self.disk.files[self.name])

    def xSectorSize(self) -> int:
        return 512

    def xDeviceCharacteristics(self) -> int:
        return 0

    def xFileControl(self, _op: int, _pointer: int) -> bool:
        return False

    def xCheckReservedLock(self) -> bool:
        return False

    def xLock(self, _level: int) -> None:
        pass

    def xUnlock(self, _level: int) -> None:
        pass

    def xClose(self) -> None:
        pass


class DiskVFS(apsw.VFS):
    def __init__(self, name: str, disk: Disk) -> None:
        self.disk, self.name = disk, name
        super().__init__(name, base="")

    def xOpen(self, name: Any, _flags: list[int]) -> Any:
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        return DiskFile(self.disk, Path(path).name)

    def xDelete(self, path: str, _sync: bool) -> None:
        self.disk.do((Path(path).name, "delete", 0, b""))

    def xAccess(self, path: str, _flags: int) -> bool:
        return Path(path).name in self.disk.files

    def xFullPathname(self, path: str) -> str:
        return path


class Row(dict[str, Any]):
    def __getitem__(self, key: Any) -> Any:
        return list(self.values())[key] if isinstance(key, int) else super().__getitem__(key)


class Cursor(apsw.Cursor):
    @property
    def rowcount(self) -> int:
        return int(self.connection.changes())


class Connection(apsw.Connection):
    """As much of the library's own connection as the store asks for."""

    def __init__(self, path: Path, vfs: str) -> None:
        super().__init__(str(path), vfs=vfs)
        self.cursor_factory = Cursor
        self.setrowtrace(
            lambda cursor, row: Row(zip((c[0] for c in cursor.getdescription()), row, strict=True))
        )
        # A disk of one's own shares no memory: SQLite keeps the log's index to itself.
        self.execute("PRAGMA locking_mode=EXCLUSIVE")

    def executescript(self, script: str) -> None:
        self.execute(script)


class DiskStore(Store):
    def __init__(self, folder: Path, disk: Disk) -> None:
        self._vfs = DiskVFS(f"disk-{id(disk)}", disk)
        super().__init__(folder)

    def _open(self, path: Path) -> sqlite3.Connection:
        return cast(sqlite3.Connection, Connection(path, self._vfs.name))

    def close(self) -> None:
        super().close()
        self._vfs.unregister()


def work(store: Store, key: device_key.DeviceKey, rng: random.Random) -> Iterator[int]:
    """A shift's writing; after each transaction, how many events a screen was told of."""
    store.enrol("018f0000-0000-7000-8000-000000000001", "HP", NOON)
    store.start_shift(Shift("s1", "J-001", "Ahmad", "token", stamp(NOON), stamp(NOON)))
    for number in range(rng.randint(4, 24)):
        now, charge_id = NOON + timedelta(seconds=number), f"charge-{number}"
        with store.transaction():
            store.add_charge(_charge(charge_id, now))
            store.add_outgoing(
                Outgoing(f"o{number}", charge_id, "/v1/x", {}, stamp(now), 0, stamp(now), None)
            )
            body = {"charge_id": charge_id, "note": "x" * rng.randint(0, 3_000)}
            journal.record(store, key, EventKind.CASH_TAKEN, body, now)
        yield number + 1
        if rng.random() < 0.5:
            store.settle_event(number + 1, "accepted", None)
            store.remove_outgoing(f"o{number}")


def _charge(charge_id: str, now: datetime) -> Charge:
    return Charge(
        charge_id, "s1", ChargeKind.CASH, "PSR-001-U", "motorcycle", 2_000, False, Sync.WAITING,
        "new", None, None, stamp(now), stamp(now),
    )  # fmt: skip


async def lose_power(stage: Stage) -> None:
    """T6. The control is the same file with synchronous=NORMAL, as one would have it for speed."""
    seeds = [stage.rng.randrange(10**9) for _ in range(SEEDS)]
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        for number, seed in enumerate(seeds):
            await asyncio.to_thread(_one_seed, stage, Path(folder) / str(number), seed)
    stage.tally.runs = SEEDS * CUTS


def _one_seed(stage: Stage, folder: Path, seed: int) -> None:
    rng, disk = random.Random(seed), Disk()
    store = DiskStore(folder / "live", disk)
    if not stage.is_ours:
        store.db.execute("PRAGMA synchronous=NORMAL")
    store.db.execute(f"PRAGMA wal_autocheckpoint={rng.choice((4, 20, 1_000))}")
    began = len(disk.log)
    told = [(len(disk.log), count) for count in work(store, device_key.load_or_make(folder), rng)]
    for cut in range(CUTS):
        at = rng.randint(began, len(disk.log))
        acknowledged = max((count for place, count in told if place <= at), default=0)
        found = folder / f"found-{cut}"
        found.mkdir()
        for name, content in disk.after_crash(at, rng).items():
            (found / name).write_bytes(content)
        _look(stage, found, acknowledged, f"seed {seed}, cut {cut}")
    store.close()


def _look(stage: Stage, folder: Path, acknowledged: int, which: str) -> None:
    tally = stage.tally
    tally.fired["power lost"] += 1
    tally.acked += acknowledged
    try:
        store = Store(folder)
        verdict, events = store.check(), store.events()
        store.close()
    except sqlite3.DatabaseError as error:
        verdict, events = str(error), []
    if verdict != "ok":
        tally.violate("the handheld's file is damaged", which)
    if verify_chain(map(journal.as_event, events)) is not None:
        tally.violate("the handheld's chain is broken", which)
    tally.stored += min(acknowledged, len(events))
    if len(events) < acknowledged:
        tally.violations["acknowledged event lost"] += acknowledged - len(events)
