"""The file that must still be right after a kill -9."""

import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from attendant_app import device_key, journal
from attendant_app.device_key import DeviceKeyError
from attendant_app.store import (
    SCHEMA,
    Charge,
    Outgoing,
    Shift,
    Store,
    StoreInUseError,
    Sync,
    stamp,
)
from domain.events import EventKind, event_hash, verify_chain
from domain.payment import ChargeKind

QUEUE_STEP = 8
"""So many steps of the file's schema came before the print queue had a log."""
NOW = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)
WRITER = """
import sys, itertools
from datetime import UTC, datetime
from pathlib import Path
from attendant_app import device_key, journal
from attendant_app.store import Store
from domain.events import EventKind
folder = Path(sys.argv[1])
store, key, now = Store(folder), device_key.load_or_make(folder), datetime.now(UTC)
if store.device() is None:
    store.enrol("d-1", "test", now)
for number in itertools.count():
    with store.transaction():
        journal.record(store, key, EventKind.CHARGE_REQUESTED, {"n": number}, now)
        journal.record(store, key, EventKind.RECEIPT_PRINTED, {"n": number}, now)
    seq, hash = store.last_event()
    print(seq, hash, flush=True)
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path)
    yield store
    store.close()


def a_charge(charge_id: str = "c-1", **changes: object) -> Charge:
    facts: dict[str, object] = {
        "id": charge_id,
        "shift_id": "s-1",
        "kind": ChargeKind.MPM,
        "spot": "MTG-012-3",
        "vehicle_class": "car",
        "quoted_rp": 5000,
        "print_when_paid": True,
        "sync": Sync.WAITING,
        "state": "new",
        "known": None,
        "problem": None,
        "created_at": stamp(NOW),
        "changed_at": stamp(NOW),
    }
    return Charge(**{**facts, **changes})  # type: ignore[arg-type]


def outgoing(charge_id: str = "c-1") -> Outgoing:
    return Outgoing(
        f"o-{charge_id}", charge_id, "/v1/x", {"plate": "DA 1 A"}, stamp(NOW), 0, stamp(NOW), None
    )


def test_everything_survives_reopening(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.enrol("d-1", "handheld", NOW)
    store.start_shift(Shift("s-1", "J-001", "Ahmad", "token", stamp(NOW), stamp(NOW)))
    store.save_master_data({"spots": []}, NOW)
    store.add_charge(a_charge())
    store.add_outgoing(outgoing())
    store.print_queue.submit("R-1", "c-1", now=NOW)
    store.close()

    again = Store(tmp_path)
    assert again.device() is not None
    assert again.shift() == Shift("s-1", "J-001", "Ahmad", "token", stamp(NOW), stamp(NOW))
    assert again.master_data() == {"spots": []}
    assert again.charge("c-1") == a_charge()
    assert again.outgoing_due(NOW) == [outgoing()]
    assert [job.content for job in again.print_queue.copies("R-1")] == ["c-1"]
    assert again.check() == "ok"
    again.close()


def test_a_transaction_is_all_or_nothing(store: Store) -> None:
    def add_twice() -> None:
        with store.transaction():
            store.add_charge(a_charge())
            store.add_charge(a_charge())

    with pytest.raises(sqlite3.IntegrityError):
        add_twice()
    assert store.charge("c-1") is None
    with store.transaction():
        store.add_charge(a_charge())
    assert store.charge("c-1") is not None


def test_the_folder_serves_one_process_at_a_time(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreInUseError):
        Store(tmp_path)


def test_the_file_is_the_owners_only(store: Store, tmp_path: Path) -> None:
    device_key.load_or_make(tmp_path)
    for name in ("handheld.sqlite", "handheld.lock", "device.key"):
        assert os.stat(tmp_path / name).st_mode & 0o777 == 0o600, name


def test_the_key_stays_the_same_and_a_broken_one_is_not_replaced(tmp_path: Path) -> None:
    first = device_key.load_or_make(tmp_path)
    assert device_key.load_or_make(tmp_path).public_text() == first.public_text()
    (tmp_path / "device.key").write_bytes(b"half")
    with pytest.raises(DeviceKeyError):
        device_key.load_or_make(tmp_path)


def test_the_plate_leaves_with_the_answer(store: Store) -> None:
    store.add_charge(a_charge())
    store.add_outgoing(outgoing())
    assert store.unsynced() == (1, stamp(NOW))
    store.save_answer("c-1", {"id": "c-1", "state": "issued"}, NOW)
    store.remove_outgoing("o-c-1")
    assert store.unsynced() == (0, None)
    assert store.outgoing_due(NOW) == []


def test_a_refused_request_is_kept_but_not_sent_again(store: Store) -> None:
    store.add_charge(a_charge())
    store.add_outgoing(outgoing())
    store.save_refusal("c-1", {"slug": "no"}, NOW)
    assert store.db.execute("SELECT body FROM outbox").fetchone()["body"] == "{}", "no plate"
    assert store.outgoing_due(NOW + timedelta(days=1)) == []
    assert store.quarantined() == 1
    assert store.unsynced()[0] == 0


def test_a_clock_that_goes_back_holds_nothing_up(store: Store) -> None:
    store.add_charge(a_charge())
    store.add_outgoing(outgoing())
    yesterday = NOW - timedelta(hours=26)
    assert len(store.outgoing_due(yesterday)) == 1
    assert store.outgoing_due(NOW - timedelta(minutes=1)) == [], "a pause is no clock gone wrong"


def test_pauses_are_kept_and_forgiven(store: Store) -> None:
    store.add_charge(a_charge())
    store.add_outgoing(outgoing())
    store.retry_at("o-c-1", NOW + timedelta(seconds=30), "NoAnswer")
    assert store.outgoing_due(NOW) == []
    store.retry_all_now(NOW)
    (due,) = store.outgoing_due(NOW)
    assert (due.tries, due.last_error) == (1, "NoAnswer")


def test_slips_queued_before_the_queue_had_a_log_are_kept(tmp_path: Path) -> None:
    before = sqlite3.connect(tmp_path / "handheld.sqlite")
    before.executescript(" ".join(SCHEMA[:QUEUE_STEP]))
    rows = [
        ("R-1", 0, "UNCERTAIN", "no-word"),
        ("R-1", 1, "PRINTED", None),
        ("R-2", 0, "SENDING", None),
        ("R-3", 0, "SENDING", None),
        ("R-4", 0, "REFUSED", "unreachable"),
        ("R-5", 0, "QUEUED", "paper-out"),
    ]
    before.executemany(
        "INSERT INTO print_jobs"
        " (charge_id, receipt, copy, state, reason, asked_at, next_try_at, changed_at)"
        " VALUES ('c-1', ?, ?, ?, ?, :now, :now, :now)".replace(":now", f"'{stamp(NOW)}'"),
        rows,
    )
    before.execute(f"PRAGMA user_version = {QUEUE_STEP}")
    before.commit()
    before.close()
    store = Store(tmp_path)
    assert [(job.key, job.copy, job.state, job.reason) for job in store.print_queue.jobs()] == [
        ("R-1", 0, "UNCERTAIN", "no-word"),
        ("R-1", 1, "PRINTED", None),
        ("R-2", 0, "UNCERTAIN", "interrupted"),
        ("R-3", 0, "UNCERTAIN", "interrupted"),
        ("R-4", 0, "FAILED", "unreachable"),
        ("R-5", 0, "QUEUED", "paper-out"),
    ]
    assert {(job.content, job.asked_at) for job in store.print_queue.jobs()} == {("c-1", NOW)}
    store.close()


def test_the_journal_is_chained_signed_and_append_only(store: Store, tmp_path: Path) -> None:
    key = device_key.load_or_make(tmp_path)
    with pytest.raises(RuntimeError):
        journal.record(store, key, EventKind.SHIFT_OPENED, {}, NOW)
    store.enrol("d-1", "handheld", NOW)
    for number in range(3):
        journal.record(store, key, EventKind.CHARGE_REQUESTED, {"n": number}, NOW)
    events = store.events()
    assert verify_chain([journal.as_event(event) for event in events]) is None
    assert [event_hash(journal.as_event(event)) for event in events] == [e.hash for e in events]
    for statement in ("DELETE FROM events", "UPDATE events SET body = '{}' WHERE seq = 1"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            store.db.execute(statement)
    store.settle_event(1, "quarantined", "why")
    store.settle_event(1, "accepted", None)
    assert (store.events()[0].outcome, store.events()[0].reason) == ("quarantined", "why")


@pytest.mark.parametrize("seed", range(4))
def test_kill_9_in_the_middle_keeps_what_was_acknowledged(tmp_path: Path, seed: int) -> None:
    """Each round writes pairs; whatever was printed as done must be there, whole and chained."""
    pause = random.Random(seed)
    acknowledged = (0, "")
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)],
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(pause.uniform(0, 0.2))
        process.kill()
        lines = [line for line in process.stdout.read().split("\n")[:-1] if line]
        process.wait()
        process.stdout.close()
        if lines:
            acknowledged = (int(lines[-1].split()[0]), lines[-1].split()[1])
    store = Store(tmp_path)
    events = store.events()
    assert store.check() == "ok"
    assert verify_chain([journal.as_event(event) for event in events]) is None
    assert len(events) % 2 == 0
    assert acknowledged[0] <= len(events)
    if acknowledged[0]:
        assert events[acknowledged[0] - 1].hash == acknowledged[1]
    store.close()


def test_a_newer_file_is_not_touched(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.db.execute("PRAGMA user_version = 99")
    store.close()
    with pytest.raises(RuntimeError, match="newer"):
        Store(tmp_path)
