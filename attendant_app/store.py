"""What this handheld must still know after a kill -9, in one SQLite file.

One process holds the file (an exclusive lock beside it), one connection writes, and every commit
reaches the disk (WAL, synchronous=FULL) before a screen says that anything happened.
"""

import fcntl
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from domain.payment import ChargeKind

SCHEMA_VERSION = 2
SCHEMA = """
CREATE TABLE device (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    device_id TEXT NOT NULL,
    name TEXT NOT NULL,
    enrolled_at TEXT NOT NULL
) STRICT;
CREATE TABLE shifts (
    id TEXT PRIMARY KEY,
    attendant TEXT NOT NULL,
    attendant_name TEXT NOT NULL,
    token TEXT,
    started_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    ended_at TEXT
) STRICT;
CREATE UNIQUE INDEX one_open_shift ON shifts ((1)) WHERE ended_at IS NULL;
CREATE TABLE master_data (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    body TEXT NOT NULL,
    fetched_at TEXT NOT NULL
) STRICT;
CREATE TABLE charges (
    id TEXT PRIMARY KEY,
    shift_id TEXT,
    kind TEXT NOT NULL CHECK (kind IN ('mpm', 'cpm', 'cash')),
    spot TEXT NOT NULL,
    vehicle_class TEXT NOT NULL,
    quoted_rp INTEGER,
    print_when_paid INTEGER NOT NULL CHECK (print_when_paid IN (0, 1)),
    sync TEXT NOT NULL CHECK (sync IN ('waiting', 'sent', 'refused')),
    state TEXT NOT NULL,
    known TEXT,
    problem TEXT,
    created_at TEXT NOT NULL,
    changed_at TEXT NOT NULL
) STRICT;
CREATE INDEX charges_by_age ON charges (created_at);
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    prev_hash TEXT NOT NULL UNIQUE,
    hash TEXT NOT NULL UNIQUE,
    device_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    at TEXT NOT NULL,
    body TEXT NOT NULL,
    signature TEXT NOT NULL,
    outcome TEXT NOT NULL DEFAULT 'waiting'
        CHECK (outcome IN ('waiting', 'accepted', 'quarantined')),
    reason TEXT
) STRICT;
CREATE INDEX events_waiting ON events (seq) WHERE outcome = 'waiting';
CREATE TRIGGER events_stay BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER events_do_not_change
BEFORE UPDATE OF seq, prev_hash, hash, device_id, kind, at, body, signature ON events
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TABLE outbox (
    id TEXT PRIMARY KEY,
    charge_id TEXT NOT NULL UNIQUE REFERENCES charges (id),
    path TEXT NOT NULL,
    body TEXT NOT NULL,
    made_at TEXT NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    next_try_at TEXT NOT NULL,
    last_error TEXT,
    refused INTEGER NOT NULL DEFAULT 0 CHECK (refused IN (0, 1))
) STRICT;
CREATE TABLE print_jobs (
    id INTEGER PRIMARY KEY,
    charge_id TEXT NOT NULL REFERENCES charges (id),
    receipt TEXT NOT NULL,
    copy INTEGER NOT NULL CHECK (copy >= 0),
    state TEXT NOT NULL
        CHECK (state IN ('QUEUED', 'SENDING', 'PRINTED', 'UNCERTAIN', 'REFUSED')),
    reason TEXT,
    tries INTEGER NOT NULL DEFAULT 0,
    asked_at TEXT NOT NULL,
    next_try_at TEXT NOT NULL,
    changed_at TEXT NOT NULL,
    UNIQUE (receipt, copy)
) STRICT;
"""
# What brings a file of each earlier version to the next.
MIGRATIONS = {
    1: "ALTER TABLE charges ADD COLUMN kind TEXT NOT NULL DEFAULT 'mpm'"
    " CHECK (kind IN ('mpm', 'cpm', 'cash'));",
}


class StoreInUseError(RuntimeError):
    """Another process already holds this data folder."""


class Sync(StrEnum):
    """Where a charge made here stands with the server."""

    WAITING = "waiting"
    SENT = "sent"
    REFUSED = "refused"


class PrintState(StrEnum):
    """UNCERTAIN: bytes left for the printer and nobody knows whether paper came out."""

    QUEUED = "QUEUED"
    SENDING = "SENDING"
    PRINTED = "PRINTED"
    UNCERTAIN = "UNCERTAIN"
    REFUSED = "REFUSED"


# Charge states in which the driver may still pay.
WATCHED_STATES = ("new", "issuing", "issued", "issue_unknown")
# A payment made in the last second may still be told after one of these.
GIVEN_UP_STATES = ("expired", "cancelled", "issue_failed")


@dataclass(frozen=True)
class Device:
    device_id: str
    name: str


@dataclass(frozen=True)
class Shift:
    id: str
    attendant: str
    attendant_name: str
    token: str | None
    started_at: str
    expires_at: str


@dataclass(frozen=True)
class Charge:
    """One attempt to collect, as last known here. `known` is the server's own last answer."""

    id: str
    shift_id: str | None
    kind: ChargeKind
    spot: str
    vehicle_class: str
    quoted_rp: int | None
    print_when_paid: bool
    sync: Sync
    state: str
    known: dict[str, Any] | None
    problem: dict[str, Any] | None
    created_at: str
    changed_at: str

    @property
    def is_open(self) -> bool:
        """The driver may still pay it, or it is paid but lacks its receipt."""
        if self.sync is Sync.REFUSED:
            return False
        waits_for_receipt = self.state == "paid" and not (self.known or {}).get("receipt")
        return self.state in WATCHED_STATES or waits_for_receipt


@dataclass(frozen=True)
class Outgoing:
    """A request the server has not answered yet."""

    id: str
    charge_id: str
    path: str
    body: dict[str, Any]
    made_at: str
    tries: int
    next_try_at: str
    last_error: str | None


@dataclass(frozen=True)
class StoredEvent:
    seq: int
    prev_hash: str
    hash: str
    device_id: str
    kind: str
    at: str
    body: dict[str, Any]
    signature: str
    outcome: str
    reason: str | None


@dataclass(frozen=True)
class PrintJob:
    """One slip to print. Copy 0 is the original, copy n is marked `SALINAN KE-n`."""

    id: int
    charge_id: str
    receipt: str
    copy: int
    state: PrintState
    reason: str | None
    tries: int
    asked_at: str
    next_try_at: str
    changed_at: str


def stamp(moment: datetime) -> str:
    """UTC with milliseconds and a Z: sorts as text."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Store:
    """The file, its lock and its one connection. Use it from one thread."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = os.open(folder / "handheld.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise StoreInUseError(f"another handheld already uses {folder}") from error
        path = folder / "handheld.sqlite"
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        self._db = sqlite3.connect(path, isolation_level=None, timeout=5)
        self._db.row_factory = sqlite3.Row
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            self._db.execute(f"PRAGMA {pragma}")
        self._migrate()

    def _migrate(self) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise RuntimeError("this data folder was written by a newer handheld")
        steps = [SCHEMA]
        if version:
            steps = [MIGRATIONS[step] for step in range(version, SCHEMA_VERSION)]
        if version < SCHEMA_VERSION:
            # One script, one transaction: a kill here leaves the file as it was, not half a schema.
            self._db.executescript(
                f"BEGIN IMMEDIATE; {' '.join(steps)} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;"
            )

    def close(self) -> None:
        self._db.close()
        os.close(self._lock)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing. Leaving by an exception undoes everything."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            # A full disk may already have rolled back; the first error is the one that matters.
            with suppress(sqlite3.OperationalError):
                self._db.execute("ROLLBACK")
            raise

    # Device, shift, master data

    def device(self) -> Device | None:
        row = self._db.execute("SELECT device_id, name FROM device").fetchone()
        return Device(**row) if row else None

    def enrol(self, device_id: str, name: str, now: datetime) -> None:
        self._db.execute("INSERT INTO device VALUES (1, ?, ?, ?)", (device_id, name, stamp(now)))

    def forget_device(self) -> None:
        self._db.execute("DELETE FROM device")

    def erase(self) -> None:
        """Forget all but which device this is: in one piece, and past reading it from the file."""
        rows = self._db.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
        guards = [row for row in rows if row["type"] == "trigger"]
        tables = [row["name"] for row in rows if row["type"] == "table"]
        self._db.execute("PRAGMA secure_delete=ON")
        with self.transaction():
            self._db.execute("PRAGMA defer_foreign_keys=ON")
            for guard in guards:
                self._db.execute(f"DROP TRIGGER {guard['name']}")
            for table in tables:
                if table != "device" and not table.startswith("sqlite_"):
                    self._db.execute(f"DELETE FROM {table}")  # noqa: S608 - own tables
            for guard in guards:
                self._db.execute(guard["sql"])
        self._db.execute("VACUUM")
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def shift(self) -> Shift | None:
        row = self._db.execute(
            "SELECT id, attendant, attendant_name, token, started_at, expires_at"
            " FROM shifts WHERE ended_at IS NULL"
        ).fetchone()
        return Shift(**row) if row else None

    def start_shift(self, shift: Shift) -> None:
        self._db.execute(
            "INSERT INTO shifts VALUES (?, ?, ?, ?, ?, ?, NULL)",
            (
                shift.id,
                shift.attendant,
                shift.attendant_name,
                shift.token,
                shift.started_at,
                shift.expires_at,
            ),
        )

    def end_shift(self, shift_id: str, now: datetime) -> None:
        self._db.execute(
            "UPDATE shifts SET ended_at = ?, token = NULL WHERE id = ? AND ended_at IS NULL",
            (stamp(now), shift_id),
        )

    def forget_token(self, shift_id: str) -> None:
        """The server no longer takes this shift's token; the shift itself goes on."""
        self._db.execute("UPDATE shifts SET token = NULL WHERE id = ?", (shift_id,))

    def master_data(self) -> dict[str, Any] | None:
        row = self._db.execute("SELECT body FROM master_data").fetchone()
        return json.loads(row["body"]) if row else None

    def save_master_data(self, body: dict[str, Any], now: datetime) -> None:
        self._db.execute(
            "INSERT INTO master_data VALUES (1, ?, ?)"
            " ON CONFLICT (id) DO UPDATE"
            " SET body = excluded.body, fetched_at = excluded.fetched_at",
            (json.dumps(body), stamp(now)),
        )

    # Charges

    def charge(self, charge_id: str) -> Charge | None:
        row = self._db.execute("SELECT * FROM charges WHERE id = ?", (charge_id,)).fetchone()
        return _charge(row) if row else None

    def charges(self, limit: int = 100) -> list[Charge]:
        """The newest first."""
        rows = self._db.execute(
            "SELECT * FROM charges ORDER BY created_at DESC, id DESC LIMIT ?", (limit,)
        )
        return [_charge(row) for row in rows]

    def charges_of(self, attendant: str, since: datetime) -> list[Charge]:
        """What an attendant asked for on this device since a moment, on whatever shifts."""
        rows = self._db.execute(
            "SELECT charges.* FROM charges JOIN shifts ON shifts.id = charges.shift_id"
            " WHERE shifts.attendant = ? AND charges.created_at >= ?",
            (attendant, stamp(since)),
        )
        return [_charge(row) for row in rows]

    def open_charges(self, limit: int = 50) -> list[Charge]:
        """The newest of those for which `Charge.is_open` holds."""
        rows = self._db.execute(
            "SELECT * FROM charges WHERE sync <> 'refused' AND (state IN (?, ?, ?, ?)"
            " OR (state = 'paid' AND json_extract(known, '$.receipt') IS NULL))"
            " ORDER BY created_at DESC, id DESC LIMIT ?",
            (*WATCHED_STATES, limit),
        )
        return [_charge(row) for row in rows]

    def given_up_since(self, moment: datetime, limit: int = 50) -> list[Charge]:
        """Those that ended unpaid after `moment`: money may still come late."""
        rows = self._db.execute(
            "SELECT * FROM charges WHERE sync = 'sent' AND state IN (?, ?, ?) AND created_at >= ?"
            " ORDER BY created_at DESC LIMIT ?",
            (*GIVEN_UP_STATES, stamp(moment), limit),
        )
        return [_charge(row) for row in rows]

    def charge_by_qris(self, text: str) -> Charge | None:
        row = self._db.execute(
            "SELECT * FROM charges WHERE json_extract(known, '$.qris') = ?", (text,)
        ).fetchone()
        return _charge(row) if row else None

    def charge_by_receipt(self, number: str) -> Charge | None:
        row = self._db.execute(
            "SELECT * FROM charges WHERE json_extract(known, '$.receipt.number') = ?", (number,)
        ).fetchone()
        return _charge(row) if row else None

    def add_charge(self, charge: Charge) -> None:
        self._db.execute(
            "INSERT INTO charges (id, shift_id, kind, spot, vehicle_class, quoted_rp,"
            " print_when_paid, sync, state, known, problem, created_at, changed_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                charge.id,
                charge.shift_id,
                charge.kind,
                charge.spot,
                charge.vehicle_class,
                charge.quoted_rp,
                int(charge.print_when_paid),
                charge.sync,
                charge.state,
                _json(charge.known),
                _json(charge.problem),
                charge.created_at,
                charge.changed_at,
            ),
        )

    def save_answer(self, charge_id: str, known: dict[str, Any], now: datetime) -> None:
        """Keep the server's answer about a charge."""
        self._db.execute(
            "UPDATE charges SET known = ?, state = ?, sync = 'sent', problem = NULL, changed_at = ?"
            " WHERE id = ?",
            (json.dumps(known), known["state"], stamp(now), charge_id),
        )

    def save_refusal(self, charge_id: str, problem: dict[str, Any], now: datetime) -> None:
        """The server said no. The request stays, flagged: it is never deleted."""
        self._db.execute(
            "UPDATE charges SET sync = 'refused', problem = ?, changed_at = ? WHERE id = ?",
            (json.dumps(problem), stamp(now), charge_id),
        )
        # A driver's own barcode pays, so it is not kept: a refused request never goes again.
        self._db.execute(
            "UPDATE outbox SET refused = 1, body = json_remove(body, '$.consumer_qr')"
            " WHERE charge_id = ?",
            (charge_id,),
        )

    # Outbox

    def add_outgoing(self, outgoing: Outgoing) -> None:
        self._db.execute(
            "INSERT INTO outbox (id, charge_id, path, body, made_at, next_try_at)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (
                outgoing.id,
                outgoing.charge_id,
                outgoing.path,
                json.dumps(outgoing.body),
                outgoing.made_at,
                outgoing.next_try_at,
            ),
        )

    def outgoing_for(self, charge_id: str) -> Outgoing | None:
        row = self._db.execute(
            f"SELECT {_OUTGOING} FROM outbox WHERE charge_id = ? AND refused = 0",  # noqa: S608 - own columns
            (charge_id,),
        ).fetchone()
        return _outgoing(row) if row else None

    def outgoing_due(self, now: datetime, limit: int = 20) -> list[Outgoing]:
        rows = self._db.execute(
            f"SELECT {_OUTGOING} FROM outbox WHERE refused = 0 AND next_try_at <= ?"  # noqa: S608 - own columns
            " ORDER BY made_at, id LIMIT ?",
            (stamp(now), limit),
        )
        return [_outgoing(row) for row in rows]

    def retry_at(self, outgoing_id: str, when: datetime, error: str) -> None:
        self._db.execute(
            "UPDATE outbox SET tries = tries + 1, next_try_at = ?, last_error = ? WHERE id = ?",
            (stamp(when), error, outgoing_id),
        )

    def retry_all_now(self, now: datetime) -> None:
        """The server is back: nothing needs to wait out its pause."""
        self._db.execute(
            "UPDATE outbox SET next_try_at = ? WHERE refused = 0 AND next_try_at > ?",
            (stamp(now), stamp(now)),
        )

    def remove_outgoing(self, outgoing_id: str) -> None:
        """Only after the server's answer is saved: the plate, if any, leaves this disk here."""
        self._db.execute("DELETE FROM outbox WHERE id = ?", (outgoing_id,))

    def unsynced(self) -> tuple[int, str | None]:
        """How many records the server does not have yet, and when the oldest was made."""
        row = self._db.execute(
            "SELECT count(*) AS n, min(at) AS oldest FROM ("
            " SELECT made_at AS at FROM outbox WHERE refused = 0"
            " UNION ALL SELECT at FROM events WHERE outcome = 'waiting')"
        ).fetchone()
        return row["n"], row["oldest"]

    def quarantined(self) -> int:
        """Records the server refused; they are kept for the office to look at."""
        row = self._db.execute(
            "SELECT (SELECT count(*) FROM outbox WHERE refused = 1)"
            " + (SELECT count(*) FROM events WHERE outcome = 'quarantined')"
        ).fetchone()
        return int(row[0])

    # Journal

    def last_event(self) -> tuple[int, str] | None:
        row = self._db.execute("SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1").fetchone()
        return (row["seq"], row["hash"]) if row else None

    def first_event(self, kind: str, *, charge_id: str) -> dict[str, Any] | None:
        """When a fact of this kind was first recorded about a charge, and what: `at` and `body`."""
        row = self._db.execute(
            "SELECT at, body FROM events WHERE kind = ?"
            " AND json_extract(body, '$.charge_id') = ? ORDER BY seq LIMIT 1",
            (kind, charge_id),
        ).fetchone()
        return {"at": row["at"], "body": json.loads(row["body"])} if row else None

    def append_event(self, event: StoredEvent) -> None:
        self._db.execute(
            "INSERT INTO events (seq, prev_hash, hash, device_id, kind, at, body, signature)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                event.seq,
                event.prev_hash,
                event.hash,
                event.device_id,
                event.kind,
                event.at,
                json.dumps(event.body),
                event.signature,
            ),
        )

    def events(self) -> list[StoredEvent]:
        return [_event(row) for row in self._db.execute("SELECT * FROM events ORDER BY seq")]

    def events_waiting(self, limit: int = 100) -> list[StoredEvent]:
        rows = self._db.execute(
            "SELECT * FROM events WHERE outcome = 'waiting' ORDER BY seq LIMIT ?", (limit,)
        )
        return [_event(row) for row in rows]

    def settle_event(self, seq: int, outcome: str, reason: str | None) -> None:
        self._db.execute(
            "UPDATE events SET outcome = ?, reason = ? WHERE seq = ? AND outcome = 'waiting'",
            (outcome, reason, seq),
        )

    # Print jobs

    def add_print_job(self, charge_id: str, receipt: str, copy: int, now: datetime) -> bool:
        """Queue a slip; False where this very slip was queued before."""
        cursor = self._db.execute(
            "INSERT INTO print_jobs (charge_id, receipt, copy, state, asked_at, next_try_at,"
            " changed_at) VALUES (?, ?, ?, 'QUEUED', ?, ?, ?) ON CONFLICT DO NOTHING",
            (charge_id, receipt, copy, stamp(now), stamp(now), stamp(now)),
        )
        return cursor.rowcount == 1

    def print_jobs(self, charge_id: str) -> list[PrintJob]:
        rows = self._db.execute(
            "SELECT * FROM print_jobs WHERE charge_id = ? ORDER BY copy", (charge_id,)
        )
        return [_print_job(row) for row in rows]

    def print_job_due(self, now: datetime) -> PrintJob | None:
        row = self._db.execute(
            "SELECT * FROM print_jobs WHERE state = 'QUEUED' AND next_try_at <= ?"
            " ORDER BY id LIMIT 1",
            (stamp(now),),
        ).fetchone()
        return _print_job(row) if row else None

    def set_print_state(
        self,
        job_id: int,
        state: PrintState,
        reason: str | None,
        now: datetime,
        next_try_at: datetime | None = None,
    ) -> None:
        self._db.execute(
            "UPDATE print_jobs SET state = ?, reason = ?, changed_at = ?, next_try_at = ?,"
            " tries = tries + (? = 'SENDING') WHERE id = ?",
            (state, reason, stamp(now), stamp(next_try_at or now), state, job_id),
        )

    def queue_again(self, job_id: int, now: datetime) -> None:
        """Only for a slip of which nothing was sent: its retry time starts anew."""
        self._db.execute(
            "UPDATE print_jobs SET state = 'QUEUED', asked_at = ?, next_try_at = ?, changed_at = ?,"
            " tries = 0 WHERE id = ? AND state IN ('QUEUED', 'REFUSED')",
            (stamp(now), stamp(now), stamp(now), job_id),
        )

    def settle_interrupted_prints(self, now: datetime) -> None:
        """After a crash nobody knows what a slip that was being sent has become."""
        self._db.execute(
            "UPDATE print_jobs SET state = 'UNCERTAIN', reason = 'interrupted', changed_at = ?"
            " WHERE state = 'SENDING'",
            (stamp(now),),
        )

    def check(self) -> str:
        """SQLite's own integrity check: `ok`, or what is broken."""
        return str(self._db.execute("PRAGMA integrity_check").fetchone()[0])


_OUTGOING = "id, charge_id, path, body, made_at, tries, next_try_at, last_error"


def _json(value: dict[str, Any] | None) -> str | None:
    return None if value is None else json.dumps(value)


def _loads(text: str | None) -> dict[str, Any] | None:
    return None if text is None else json.loads(text)


def _charge(row: sqlite3.Row) -> Charge:
    values = dict(row)
    values["print_when_paid"] = bool(values["print_when_paid"])
    values["kind"] = ChargeKind(values["kind"])
    values["sync"] = Sync(values["sync"])
    values["known"] = _loads(values["known"])
    values["problem"] = _loads(values["problem"])
    return Charge(**values)


def _outgoing(row: sqlite3.Row) -> Outgoing:
    return Outgoing(**{**dict(row), "body": json.loads(row["body"])})


def _event(row: sqlite3.Row) -> StoredEvent:
    return StoredEvent(**{**dict(row), "body": json.loads(row["body"])})


def _print_job(row: sqlite3.Row) -> PrintJob:
    return PrintJob(**{**dict(row), "state": PrintState(row["state"])})
