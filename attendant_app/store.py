"""What this handheld must still know after a kill -9, in one SQLite file.

One process holds the file (an exclusive lock beside it), one connection writes, and every commit
reaches the disk (WAL, synchronous=FULL) before a screen says that anything happened.
"""

import fcntl
import json
import os
import sqlite3
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from domain.events import EventKind
from domain.payment import ChargeKind
from printer import spooler

SCHEMA = (
    """
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
""",
    "ALTER TABLE charges ADD COLUMN kind TEXT NOT NULL DEFAULT 'mpm';",
    """
CREATE TABLE closings (
    shift_id TEXT PRIMARY KEY,
    seq INTEGER NOT NULL,
    counted_rp INTEGER NOT NULL CHECK (counted_rp >= 0),
    shown_rp INTEGER NOT NULL,
    made_at TEXT NOT NULL,
    answer TEXT,
    problem TEXT
) STRICT;
""",
    """
CREATE TABLE earnings (
    attendant TEXT PRIMARY KEY,
    body TEXT NOT NULL
) STRICT;
""",
    """
CREATE TABLE sign_checks (
    spot TEXT PRIMARY KEY,
    at TEXT NOT NULL,
    fault TEXT
) STRICT;
""",
    """
CREATE TABLE pool (
    charge_id TEXT PRIMARY KEY,
    spot TEXT NOT NULL,
    vehicle_class TEXT NOT NULL,
    attendant TEXT NOT NULL,
    minutes INTEGER,
    known TEXT,
    used_at TEXT
) STRICT;
CREATE TABLE workplace (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    spot TEXT NOT NULL
) STRICT;
CREATE TABLE alone (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    boot TEXT NOT NULL,
    uptime_s REAL NOT NULL,
    spent_s REAL NOT NULL,
    at TEXT NOT NULL
) STRICT;
""",
    """
CREATE TABLE live_stays (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    zone TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE TABLE head_count (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    spot TEXT NOT NULL,
    started_at TEXT NOT NULL,
    taps TEXT NOT NULL
) STRICT;
""",
    """
CREATE TABLE stays (
    id TEXT PRIMARY KEY,
    shift_id TEXT,
    spot TEXT NOT NULL,
    vehicle_class TEXT NOT NULL,
    started_at TEXT NOT NULL,
    ended_at TEXT,
    void_reason TEXT,
    known TEXT,
    problem TEXT,
    changed_at TEXT NOT NULL
) STRICT;
CREATE TABLE stay_requests (
    id TEXT PRIMARY KEY,
    stay_id TEXT NOT NULL REFERENCES stays (id),
    path TEXT NOT NULL,
    body TEXT NOT NULL,
    made_at TEXT NOT NULL,
    next_try_at TEXT NOT NULL,
    refused INTEGER NOT NULL DEFAULT 0 CHECK (refused IN (0, 1))
) STRICT;
CREATE TABLE stay_charges (
    charge_id TEXT PRIMARY KEY REFERENCES charges (id),
    stay_id TEXT NOT NULL REFERENCES stays (id)
) STRICT;
""",
    """
ALTER TABLE outbox ADD COLUMN written INTEGER NOT NULL DEFAULT 0;
ALTER TABLE stay_requests ADD COLUMN written INTEGER NOT NULL DEFAULT 0;
CREATE TEMP TABLE by_id AS SELECT id, row_number() OVER (ORDER BY id) AS n
    FROM (SELECT id FROM outbox UNION ALL SELECT id FROM stay_requests);
UPDATE outbox SET written = (SELECT n FROM by_id WHERE by_id.id = outbox.id);
UPDATE stay_requests SET written = (SELECT n FROM by_id WHERE by_id.id = stay_requests.id);
DROP TABLE by_id;
""",
    "ALTER TABLE print_jobs RENAME TO print_jobs_before;",
    spooler.SCHEMA[0],
    """
INSERT INTO print_jobs
    (id, key, copy, content, state, reason, tries, asked_at, next_try_at, changed_at)
SELECT id, receipt, copy, charge_id,
    CASE state WHEN 'REFUSED' THEN 'FAILED' WHEN 'SENDING' THEN 'UNCERTAIN' ELSE state END,
    CASE state WHEN 'SENDING' THEN 'interrupted' ELSE reason END,
    tries, asked_at, next_try_at, changed_at
FROM print_jobs_before;
DROP TABLE print_jobs_before;
""",
    spooler.SCHEMA[1],
    """
CREATE TABLE notices (
    id TEXT PRIMARY KEY,
    check_seq INTEGER NOT NULL UNIQUE,
    spot TEXT NOT NULL,
    finding TEXT NOT NULL,
    stay TEXT,
    plate TEXT NOT NULL,
    vehicle_class TEXT,
    made_at TEXT NOT NULL,
    attendant TEXT NOT NULL,
    sequence INTEGER UNIQUE,
    number TEXT,
    issued_at TEXT,
    object_until TEXT,
    amount_rp INTEGER,
    event_seq INTEGER REFERENCES events (seq)
) STRICT;
CREATE TABLE notice_photos (
    notice_id TEXT NOT NULL REFERENCES notices (id),
    place INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    jpeg BLOB,
    state TEXT NOT NULL DEFAULT 'kept' CHECK (state IN ('kept', 'sent', 'refused')),
    reason TEXT,
    PRIMARY KEY (notice_id, place),
    UNIQUE (notice_id, sha256),
    CHECK ((jpeg IS NULL) = (state = 'sent'))
) STRICT;
""",
    "CREATE TABLE stopped_attendants (code TEXT PRIMARY KEY) STRICT;",
    "CREATE TABLE held_requests (id TEXT PRIMARY KEY, attendant TEXT NOT NULL) STRICT;",
)
"""What each version of the file adds to the one before; a file knows how many it has."""


class StoreInUseError(RuntimeError):
    """Another process already holds this data folder."""


class Sync(StrEnum):
    """Where a charge made here stands with the server."""

    WAITING = "waiting"
    SENT = "sent"
    REFUSED = "refused"


NEXT_WRITTEN = """(SELECT coalesce(max(written), 0) + 1
    FROM (SELECT written FROM outbox UNION ALL SELECT written FROM stay_requests))"""
"""One order over both tables of requests, whatever this device's clock does; ids follow it."""

PHOTOS_WAITING = """FROM notice_photos p JOIN notices n ON n.id = p.notice_id
    JOIN events e ON e.seq = n.event_seq
    WHERE p.state = 'kept' AND e.outcome <> 'quarantined'"""
"""Photos of notices that the office is to have, and has not yet."""

_UNSENT = f"""SELECT made_at AS at FROM outbox WHERE refused = 0
    UNION ALL SELECT made_at FROM stay_requests WHERE refused = 0
    UNION ALL SELECT issued_at {PHOTOS_WAITING}"""  # noqa: S608 - own words
"""Requests that the office does not have; events go to it apart, by the device's word alone."""
_IS_STOPPED = """EXISTS (SELECT 1 FROM shifts s JOIN stopped_attendants a
    ON a.code = s.attendant WHERE s.ended_at IS NULL)"""
_HELD = "(SELECT id FROM held_requests WHERE attendant = ?)"

LONGEST_WAIT = timedelta(minutes=10)
"""No pause before another try is as long."""

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


stamp = spooler.stamp
"""Moments stand in the whole file as the print queue writes them."""


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
        self.db = self._open(path)
        self.db.row_factory = sqlite3.Row
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            self.db.execute(f"PRAGMA {pragma}")
        self._migrate()
        self.print_queue = spooler.Spooler(self.db)
        """The print queue: a receipt's number is the key of its slip, the charge its content."""

    def _open(self, path: Path) -> sqlite3.Connection:
        """A seam: a test puts a disk under it that loses its power."""
        return sqlite3.connect(path, isolation_level=None, timeout=5)

    def _migrate(self) -> None:
        version = self.db.execute("PRAGMA user_version").fetchone()[0]
        if version > len(SCHEMA):
            raise RuntimeError("this data folder was written by a newer handheld")
        if version < len(SCHEMA):
            # One script, one transaction: a kill here leaves the file as it was, not half a schema.
            steps = " ".join(SCHEMA[version:])
            self.db.executescript(
                f"BEGIN IMMEDIATE; {steps} PRAGMA user_version={len(SCHEMA)}; COMMIT;"
            )

    def close(self) -> None:
        self.db.close()
        os.close(self._lock)

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing. Leaving by an exception undoes everything."""
        return spooler.transaction(self.db)

    # Device, shift, master data

    def device(self) -> Device | None:
        row = self.db.execute("SELECT device_id, name FROM device").fetchone()
        return Device(**row) if row else None

    def enrol(self, device_id: str, name: str, now: datetime) -> None:
        self.db.execute("INSERT INTO device VALUES (1, ?, ?, ?)", (device_id, name, stamp(now)))

    def forget_device(self) -> None:
        self.db.execute("DELETE FROM device")

    def erase(self) -> None:
        """Forget all but which device this is: in one piece, and past reading it from the file."""
        rows = self.db.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
        guards = [row for row in rows if row["type"] == "trigger"]
        tables = [row["name"] for row in rows if row["type"] == "table"]
        self.db.execute("PRAGMA secure_delete=ON")
        with self.transaction():
            self.db.execute("PRAGMA defer_foreign_keys=ON")
            for guard in guards:
                self.db.execute(f"DROP TRIGGER {guard['name']}")
            for table in tables:
                if table != "device" and not table.startswith("sqlite_"):
                    self.db.execute(f"DELETE FROM {table}")  # noqa: S608 - own tables
            for guard in guards:
                self.db.execute(guard["sql"])
        self.db.execute("VACUUM")
        self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def shift(self) -> Shift | None:
        row = self.db.execute(
            "SELECT id, attendant, attendant_name, token, started_at, expires_at"
            " FROM shifts WHERE ended_at IS NULL"
        ).fetchone()
        return Shift(**row) if row else None

    def start_shift(self, shift: Shift) -> None:
        self.db.execute(
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
        self.db.execute(
            "UPDATE shifts SET ended_at = ?, token = NULL WHERE id = ? AND ended_at IS NULL",
            (stamp(now), shift_id),
        )

    def hold_unsent(self, attendant: str, problem: dict[str, Any], now: datetime) -> None:
        """No one else's shift may send it: it waits for the next shift of who made it."""
        self.db.execute(
            "INSERT OR REPLACE INTO held_requests SELECT id, ? FROM (SELECT id FROM outbox"
            " WHERE refused = 0 UNION ALL SELECT id FROM stay_requests WHERE refused = 0)",
            (attendant,),
        )
        # A driver's own barcode pays, and a plate is not kept longer than it serves.
        self.db.execute(
            "UPDATE outbox SET refused = 1, body = json_remove(body, '$.consumer_qr', '$.plate')"
            " WHERE refused = 0"
        )
        self.db.execute(
            "UPDATE stay_requests SET refused = 1, body = json_remove(body, '$.plate')"
            " WHERE refused = 0"
        )
        self._tell_held(attendant, "refused", json.dumps(problem), now)

    def release_held(self, attendant: str, now: datetime) -> None:
        """Who was stopped works again: what was held for that reason alone goes out after all."""
        self._tell_held(attendant, "waiting", None, now)
        for table in ("outbox", "stay_requests"):
            self.db.execute(
                f"UPDATE {table} SET refused = 0, next_try_at = ? WHERE id IN {_HELD}",  # noqa: S608 - own words
                (stamp(now), attendant),
            )
        self.db.execute("DELETE FROM held_requests WHERE attendant = ?", (attendant,))

    def _tell_held(self, attendant: str, sync: str, problem: str | None, now: datetime) -> None:
        self.db.execute(
            f"UPDATE charges SET sync = ?, problem = ?, changed_at = ? WHERE id IN"  # noqa: S608 - own words
            f" (SELECT charge_id FROM outbox WHERE id IN {_HELD} UNION ALL"
            f" SELECT json_extract(body, '$.cash.id') FROM stay_requests WHERE id IN {_HELD})",
            (sync, problem, stamp(now), attendant, attendant),
        )
        self.db.execute(
            "UPDATE stays SET problem = ?, changed_at = ? WHERE id IN"  # noqa: S608 - own words
            f" (SELECT stay_id FROM stay_requests WHERE id IN {_HELD})",
            (problem, stamp(now), attendant),
        )

    def forget_token(self, shift_id: str) -> None:
        """The server no longer takes this shift's token; the shift itself goes on."""
        self.db.execute("UPDATE shifts SET token = NULL WHERE id = ?", (shift_id,))

    def master_data(self) -> dict[str, Any] | None:
        row = self.db.execute("SELECT body FROM master_data").fetchone()
        return json.loads(row["body"]) if row else None

    def master_data_at(self) -> str | None:
        """When the office last told it, by the office's clock as it is known here."""
        row = self.db.execute("SELECT fetched_at FROM master_data").fetchone()
        return row["fetched_at"] if row else None

    def save_master_data(self, body: dict[str, Any], now: datetime) -> None:
        stopped = (body.get("attendants") or {}).get("stopped") or ()
        with self.transaction():
            self.db.execute(
                "INSERT INTO master_data VALUES (1, ?, ?)"
                " ON CONFLICT (id) DO UPDATE"
                " SET body = excluded.body, fetched_at = excluded.fetched_at",
                (json.dumps(body), stamp(now)),
            )
            self.db.execute("DELETE FROM stopped_attendants")
            for code in stopped:
                self.note_stopped(str(code))

    def note_stopped(self, code: str) -> None:
        """The office lets this attendant work no more, until it says otherwise."""
        self.db.execute("INSERT OR IGNORE INTO stopped_attendants VALUES (?)", (code,))

    def note_resumed(self, code: str) -> None:
        self.db.execute("DELETE FROM stopped_attendants WHERE code = ?", (code,))

    def is_stopped(self, code: str) -> bool:
        row = self.db.execute("SELECT 1 FROM stopped_attendants WHERE code = ?", (code,)).fetchone()
        return row is not None

    def save_closures(self, closures: list[dict[str, Any]]) -> bool:
        """Keep what is closed, apart from all else that the office told. Whether it is news."""
        body = self.master_data()
        if body is None or body.get("closures") == closures:
            return False
        body["closures"] = closures
        self.db.execute("UPDATE master_data SET body = ?", (json.dumps(body),))
        return True

    # Charges

    def charge(self, charge_id: str) -> Charge | None:
        row = self.db.execute("SELECT * FROM charges WHERE id = ?", (charge_id,)).fetchone()
        return _charge(row) if row else None

    def charges(self, limit: int = 100) -> list[Charge]:
        """The newest first."""
        rows = self.db.execute(
            "SELECT * FROM charges ORDER BY created_at DESC, id DESC LIMIT ?", (limit,)
        )
        return [_charge(row) for row in rows]

    def charges_of(self, attendant: str, since: datetime) -> list[Charge]:
        """What an attendant asked for on this device since a moment, on whatever shifts."""
        rows = self.db.execute(
            "SELECT charges.* FROM charges JOIN shifts ON shifts.id = charges.shift_id"
            " WHERE shifts.attendant = ? AND charges.created_at >= ?",
            (attendant, stamp(since)),
        )
        return [_charge(row) for row in rows]

    def open_charges(self, limit: int = 50) -> list[Charge]:
        """The newest of those for which `Charge.is_open` holds."""
        rows = self.db.execute(
            "SELECT * FROM charges WHERE sync <> 'refused' AND (state IN (?, ?, ?, ?)"
            " OR (state = 'paid' AND json_extract(known, '$.receipt') IS NULL))"
            " ORDER BY created_at DESC, id DESC LIMIT ?",
            (*WATCHED_STATES, limit),
        )
        return [_charge(row) for row in rows]

    def given_up_since(self, moment: datetime, limit: int = 50) -> list[Charge]:
        """Those that ended unpaid after `moment`: money may still come late."""
        rows = self.db.execute(
            "SELECT * FROM charges WHERE sync = 'sent' AND state IN (?, ?, ?) AND created_at >= ?"
            " ORDER BY created_at DESC LIMIT ?",
            (*GIVEN_UP_STATES, stamp(moment), limit),
        )
        return [_charge(row) for row in rows]

    def charge_by_qris(self, text: str) -> Charge | None:
        row = self.db.execute(
            "SELECT * FROM charges WHERE json_extract(known, '$.qris') = ?", (text,)
        ).fetchone()
        return _charge(row) if row else None

    def charge_by_receipt(self, number: str) -> Charge | None:
        row = self.db.execute(
            "SELECT * FROM charges WHERE json_extract(known, '$.receipt.number') = ?", (number,)
        ).fetchone()
        return _charge(row) if row else None

    def add_charge(self, charge: Charge) -> None:
        self.db.execute(
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
        self.db.execute(
            "UPDATE charges SET known = ?, state = ?, sync = 'sent', problem = NULL, changed_at = ?"
            " WHERE id = ?",
            (json.dumps(known), known["state"], stamp(now), charge_id),
        )

    def save_refusal(self, charge_id: str, problem: dict[str, Any], now: datetime) -> None:
        """The server said no. The request stays, flagged: it is never deleted."""
        self.db.execute(
            "UPDATE charges SET sync = 'refused', problem = ?, changed_at = ? WHERE id = ?",
            (json.dumps(problem), stamp(now), charge_id),
        )
        # A refused request never goes again: neither a driver's own barcode, which pays, nor the
        # plate is kept in it.
        self.db.execute(
            "UPDATE outbox SET refused = 1, body = json_remove(body, '$.consumer_qr', '$.plate')"
            " WHERE charge_id = ?",
            (charge_id,),
        )

    # Outbox

    def add_outgoing(self, outgoing: Outgoing) -> None:
        self.db.execute(
            "INSERT INTO outbox (id, charge_id, path, body, made_at, next_try_at, written)"  # noqa: S608 - own SQL
            f" VALUES (?, ?, ?, ?, ?, ?, {NEXT_WRITTEN})",
            (
                outgoing.id,
                outgoing.charge_id,
                outgoing.path,
                json.dumps(outgoing.body),
                outgoing.made_at,
                outgoing.next_try_at,
            ),
        )

    def outgoing_due(self, now: datetime, limit: int = 20) -> list[Outgoing]:
        """What may go now; the charge of a stay only after what was asked for that stay before."""
        rows = self.db.execute(
            f"SELECT {_OUTGOING} FROM outbox WHERE refused = 0 AND {_DUE}"  # noqa: S608 - own columns
            " AND NOT EXISTS (SELECT 1 FROM stay_charges c JOIN stay_requests r USING (stay_id)"
            " WHERE c.charge_id = outbox.charge_id AND r.refused = 0"
            " AND r.written < outbox.written)"
            " ORDER BY made_at, id LIMIT ?",
            (stamp(now), stamp(now + LONGEST_WAIT), limit),
        )
        return [_outgoing(row) for row in rows]

    def retry_at(self, outgoing_id: str, when: datetime, error: str) -> None:
        self.db.execute(
            "UPDATE outbox SET tries = tries + 1, next_try_at = ?, last_error = ? WHERE id = ?",
            (stamp(when), error, outgoing_id),
        )

    def retry_all_now(self, now: datetime) -> None:
        """The server is back: nothing needs to wait out its pause."""
        self.db.execute(
            "UPDATE outbox SET next_try_at = ? WHERE refused = 0 AND next_try_at > ?",
            (stamp(now), stamp(now)),
        )

    def remove_outgoing(self, outgoing_id: str) -> None:
        """Only after the server's answer is saved: the plate, if any, leaves this disk here."""
        self.db.execute("DELETE FROM outbox WHERE id = ?", (outgoing_id,))

    def unsynced(self) -> tuple[int, str | None]:
        """How many records the server does not have yet, and when the oldest was made.

        Not what waits for its attendant to be let in again: nobody waits for that to count.
        """
        row = self.db.execute(
            "SELECT count(*) AS n, min(at) AS oldest FROM ("  # noqa: S608 - own words
            " SELECT at FROM events WHERE outcome = 'waiting'"
            f" UNION ALL SELECT at FROM ({_UNSENT}) WHERE NOT {_IS_STOPPED})"
        ).fetchone()
        return row["n"], row["oldest"]

    def waiting_for_leave(self) -> int:
        """Requests of an attendant who is stopped: they go again once the office lets him in."""
        row = self.db.execute(
            f"SELECT count(*) FROM ({_UNSENT}) WHERE {_IS_STOPPED}"  # noqa: S608 - own words
        ).fetchone()
        return int(row[0])

    def quarantined(self) -> int:
        """Records the server refused, for good or until the attendant is let in; they are kept."""
        row = self.db.execute(
            "SELECT (SELECT count(*) FROM outbox WHERE refused = 1)"
            " + (SELECT count(*) FROM stay_requests WHERE refused = 1)"
            " + (SELECT count(*) FROM events WHERE outcome = 'quarantined')"
            " + (SELECT count(*) FROM notice_photos WHERE state = 'refused')"
        ).fetchone()
        return int(row[0]) + self.waiting_for_leave()

    # Journal

    def last_event(self) -> tuple[int, str] | None:
        row = self.db.execute("SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1").fetchone()
        return (row["seq"], row["hash"]) if row else None

    def first_event(self, kind: EventKind, *, charge_id: str) -> dict[str, Any] | None:
        """The first fact of this kind about a charge: `at`, `body`, and the office's `outcome`."""
        row = self.db.execute(
            "SELECT at, body, outcome FROM events WHERE kind = ?"
            " AND json_extract(body, '$.charge_id') = ? ORDER BY seq LIMIT 1",
            (kind, charge_id),
        ).fetchone()
        return {**row, "body": json.loads(row["body"])} if row else None

    def append_event(self, event: StoredEvent) -> None:
        self.db.execute(
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
        return [_event(row) for row in self.db.execute("SELECT * FROM events ORDER BY seq")]

    def events_waiting(self, limit: int = 100) -> list[StoredEvent]:
        rows = self.db.execute(
            "SELECT * FROM events WHERE outcome = 'waiting' ORDER BY seq LIMIT ?", (limit,)
        )
        return [_event(row) for row in rows]

    def settle_event(self, seq: int, outcome: str, reason: str | None) -> None:
        self.db.execute(
            "UPDATE events SET outcome = ?, reason = ? WHERE seq = ? AND outcome = 'waiting'",
            (outcome, reason, seq),
        )

    def send_again(self, seqs: object) -> None:
        """The office says that it has not these events, whatever it answered before."""
        for seq in seqs if isinstance(seqs, list) else ():
            if isinstance(seq, int):
                self.db.execute("UPDATE events SET outcome = 'waiting' WHERE seq = ?", (seq,))

    def check(self) -> str:
        """SQLite's own integrity check: `ok`, or what is broken."""
        return str(self.db.execute("PRAGMA integrity_check").fetchone()[0])


# What is to wait longer than anything ever does was put off before this device's clock went back.
_DUE = "(next_try_at <= ? OR next_try_at > ?)"
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
