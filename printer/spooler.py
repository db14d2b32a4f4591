"""A durable queue of slips in SQLite: in order, one at a time, never two originals, none lost.

    with Spooler.open(Path("queue.sqlite"), owner=True) as slips:
        slips.submit("KT-2026-000123-7", document.to_json(), now=datetime.now(UTC))
        while job := slips.print_next(from_content, transport, profile):
            ...

Each state is on disk before the act it names, and so is that a first byte leaves. PRINTED is the
printer's own word or a person's; once a byte may have left, only a marked copy (SALINAN KE-n) is
ever sent again. A program that keeps a file of its own hands its connection over instead, and may
join its own facts to each change.
"""

import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial
from pathlib import Path
from types import TracebackType

from printer.delivery import Outcome, Result, send
from printer.document import Document, Item, Text
from printer.encoding import encode
from printer.errors import PrinterError, QueueFull, QueueInUse, SlipStateError, UnknownSlip
from printer.profiles import Profile
from printer.transports import Transport

SCHEMA = (
    """
CREATE TABLE print_jobs (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    copy INTEGER NOT NULL CHECK (copy >= 0),
    content TEXT NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN ('QUEUED', 'SENDING', 'PRINTED', 'UNCERTAIN', 'FAILED')),
    reason TEXT,
    tries INTEGER NOT NULL DEFAULT 0,
    asked_by TEXT NOT NULL DEFAULT '',
    asked_at TEXT NOT NULL,
    next_try_at TEXT NOT NULL,
    changed_at TEXT NOT NULL,
    UNIQUE (key, copy)
) STRICT;
CREATE INDEX print_jobs_queued ON print_jobs (id) WHERE state = 'QUEUED';
CREATE UNIQUE INDEX one_slip_at_a_time ON print_jobs ((1)) WHERE state = 'SENDING';
CREATE TABLE print_log (
    id INTEGER PRIMARY KEY,
    job_id INTEGER NOT NULL REFERENCES print_jobs (id),
    at TEXT NOT NULL,
    state TEXT NOT NULL,
    who TEXT NOT NULL,
    reason TEXT,
    sent INTEGER,
    detail TEXT
) STRICT;
CREATE INDEX print_log_of_job ON print_log (job_id);
""",
    """
ALTER TABLE print_jobs ADD COLUMN leaving INTEGER NOT NULL DEFAULT 0 CHECK (leaving IN (0, 1));
UPDATE print_jobs SET leaving = 1 WHERE state = 'SENDING';
""",
)
"""What each version of the tables adds to the one before; a program with a file of its own appends
these steps to its own."""

APPLICATION_ID = 0x536C6970  # "Slip": a queue file of this module's own making
RETRY_PAUSES_S = (2, 5, 10, 30)
RETRY_FOR = timedelta(minutes=15)
"""After this the receiver is gone: the slip waits for a person and surprises nobody else."""
_LONGEST_PAUSE = timedelta(minutes=10)
LIMIT = 500
IDLE_S = 0.5


class JobState(StrEnum):
    """Where a slip stands. What is not decided stays a question: UNCERTAIN is a state."""

    QUEUED = "QUEUED"  # nothing of it has left this host
    SENDING = "SENDING"  # the printer is asked, and from `leaving` on bytes of it may have left
    PRINTED = "PRINTED"  # the printer acknowledged its end, or a person saw it
    UNCERTAIN = "UNCERTAIN"  # bytes left, and nobody knows whether paper came out
    FAILED = "FAILED"  # nothing left, and it is not tried any more unless somebody asks


@dataclass(frozen=True, slots=True)
class Job:
    """One slip: `copy` 0 of a `key` is the original, copy n says SALINAN KE-n.

    `content` is the submitter's own: what the slip is built from. `reason` is a word for why it
    stands as it does, such as `paper-out`; `tries` counts since it was last asked for; `leaving`
    tells of a slip that is being sent whether its first byte may have left.
    """

    id: int
    key: str
    copy: int
    content: str
    state: JobState
    reason: str | None
    tries: int
    leaving: bool
    asked_by: str
    asked_at: datetime
    next_try_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the log: a slip came to `state`; `who` is empty where no person said so.

    `sent` counts the bytes of the slip that left this host, where an attempt ended.
    """

    at: datetime
    key: str
    copy: int
    state: JobState
    who: str
    reason: str | None
    sent: int | None
    detail: str | None


class Spooler:
    """The queue of one printer, over a connection in autocommit mode; use it from one thread.

    Every method that changes something is one transaction, or joins the caller's that is open:
    what the caller writes beside it is then kept or lost with it. Moments are aware datetimes.
    """

    def __init__(self, db: sqlite3.Connection, *, limit: int = LIMIT) -> None:
        """`db` has the tables of `SCHEMA`; `limit` is how many slips may wait."""
        self.db = db
        self._limit = limit
        self._lock: int | None = None

    @classmethod
    def open(cls, path: Path, *, owner: bool = False, limit: int = LIMIT) -> "Spooler":
        """A queue in a file of its own, made where there is none.

        The `owner` is the one process that prints: what an earlier one left half done becomes
        UNCERTAIN. Raises `QueueInUse` where there is another owner, and where the file is not a
        queue of its own; `sqlite3.Error` where it cannot be read.
        """
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        slips = cls(sqlite3.connect(path, isolation_level=None, timeout=5), limit=limit)
        try:
            slips._lock = _locked(path) if owner else None
            slips._migrate(path)
            if owner:
                slips.recover(datetime.now(UTC))
        except BaseException:
            slips.close()
            raise
        return slips

    def _migrate(self, path: Path) -> None:
        self._version(path)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            self.db.execute(f"PRAGMA {pragma}")
        with transaction(self.db):
            # Asked again, because another process may be making the tables at this moment.
            for step in SCHEMA[self._version(path) :]:
                for statement in step.split(";\n"):
                    self.db.execute(statement)
            self.db.execute(f"PRAGMA user_version={len(SCHEMA)}")
            self.db.execute(f"PRAGMA application_id={APPLICATION_ID}")

    def _version(self, path: Path) -> int:
        """How many steps of `SCHEMA` the file has. Raises `QueueInUse` if it is no queue."""
        own, version, tables = self.db.execute(
            "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)"
            " FROM pragma_application_id, pragma_user_version"
        ).fetchone()
        of_a_queue = own == APPLICATION_ID and version <= len(SCHEMA)
        if (own or version or tables) and not of_a_queue:
            raise QueueInUse(f"{path} belongs to another program, or to a newer one")
        return int(version)

    def close(self) -> None:
        """Close the connection, and let another owner in."""
        self.db.close()
        if self._lock is not None:
            os.close(self._lock)

    def __enter__(self) -> "Spooler":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # --- what is asked for ---

    def submit(
        self,
        key: str,
        content: str,
        *,
        copy: int = 0,
        who: str = "",
        why: str = "",
        now: datetime,
    ) -> Job:
        """Queue a slip. The same key and copy again is the same job: the one there is.

        Raises `QueueFull`, and nothing is queued then.
        """
        with self._transaction():
            with suppress(UnknownSlip):
                return self.job(key, copy)
            self._check_room()
            at = stamp(now)
            job_id = self.db.execute(
                "INSERT INTO print_jobs"
                " (key, copy, content, state, asked_by, asked_at, next_try_at, changed_at)"
                " VALUES (?, ?, ?, 'QUEUED', ?, ?, ?, ?)",
                (key, copy, content, who, at, at, at),
            ).lastrowid
            assert job_id is not None
            self._note(job_id, JobState.QUEUED, now, who=who, detail=why or None)
            return self._of_id(job_id)

    def again(self, key: str, copy: int, *, who: str, why: str = "", now: datetime) -> Job:
        """A person wants the slip once more, having seen it as this copy.

        While nothing of it left it is the very slip, tried at once; after that the next copy. Asked
        twice is asked once. Raises `UnknownSlip` and `QueueFull`.
        """
        with self._transaction():
            job = self.job(key, copy)
            if job.state is JobState.SENDING:
                return job
            if job.state not in (JobState.QUEUED, JobState.FAILED):
                return self.submit(key, job.content, copy=copy + 1, who=who, why=why, now=now)
            if job.state is JobState.FAILED:
                self._check_room()
            at = stamp(now)
            self.db.execute(
                "UPDATE print_jobs SET state = 'QUEUED', tries = 0, asked_by = ?, asked_at = ?,"
                " changed_at = ? WHERE id = ?",
                (who, at, at, job.id),
            )
            # Whoever stands before it waits for the same printer.
            self.db.execute("UPDATE print_jobs SET next_try_at = ? WHERE state = 'QUEUED'", (at,))
            self._note(job.id, JobState.QUEUED, now, who=who, detail=why or None)
            return self._of_id(job.id)

    def seen(self, key: str, copy: int, *, who: str, now: datetime) -> Job:
        """A person says that an UNCERTAIN slip did come out. Raises `SlipStateError`."""
        job = self.job(key, copy)
        return self._move(
            job, JobState.UNCERTAIN, JobState.PRINTED, now, who=who, detail="seen on paper"
        )

    # --- what the printing process does ---

    def next(self, now: datetime) -> Job | None:
        """The slip to print now: the first in line, unless it waits out a pause."""
        for job in self.jobs(JobState.QUEUED, limit=1):
            # A pause longer than any was made before this host's clock went back.
            if not now < job.next_try_at <= now + _LONGEST_PAUSE:
                return job
        return None

    def start(self, job: Job, now: datetime) -> Job:
        """SENDING is on disk when this returns; the printer may be asked, and nothing sent yet.

        Raises `SlipStateError` where the slip is not waiting any more, or another is being sent.
        """
        assert not self.db.in_transaction, "SENDING has to be on disk, not in a transaction"
        return self._move(job, JobState.QUEUED, JobState.SENDING, now)

    def let_leave(self, job: Job) -> None:
        """When this returns it is on disk that the slip leaves; only then may its first byte.

        Raises `SlipStateError` where it is not being sent any more.
        """
        assert not self.db.in_transaction, "it has to be on disk, not in a transaction"
        leaving = "UPDATE print_jobs SET leaving = 1 WHERE id = ? AND state = 'SENDING'"
        if not self.db.execute(leaving, (job.id,)).rowcount:
            raise SlipStateError(f"slip {job.key!r}, copy {job.copy}, is not being sent")

    def settle(self, job: Job, outcome: Outcome, now: datetime) -> Job:
        """What became of a started slip. Where nothing left it waits for another try, or FAILED."""
        pause = RETRY_PAUSES_S[min(job.tries, len(RETRY_PAUSES_S)) - 1]
        state = JobState.UNCERTAIN
        if outcome.result is Result.PRINTED:
            state = JobState.PRINTED
        elif outcome.may_repeat:
            # Either way: a clock that went back would have it tried for as long as it went.
            given_up = abs(now - job.asked_at) > RETRY_FOR
            state = JobState.FAILED if given_up else JobState.QUEUED
        return self._move(
            job,
            JobState.SENDING,
            state,
            now,
            reason=_reason(outcome),
            sent=outcome.sent,
            detail=outcome.detail,
            next_try_at=now + timedelta(seconds=pause),
        )

    def fail(self, job: Job, reason: str, now: datetime, detail: str = "") -> Job:
        """A slip that is not to be printed, or cannot be: nothing of it was sent."""
        return self._move(
            job, JobState.QUEUED, JobState.FAILED, now, reason=reason, detail=detail or None
        )

    def recover(self, now: datetime) -> None:
        """After a crash nobody knows what has become of a slip that was leaving.

        One that was not is first in line again, and still the original.
        """
        with self._transaction():
            for job in self.jobs(JobState.SENDING):
                after = JobState.UNCERTAIN if job.leaving else JobState.QUEUED
                reason = "interrupted" if job.leaving else None
                self._move(job, JobState.SENDING, after, now, reason=reason)

    def print_next(
        self,
        build: Callable[[Job], Document],
        transport: Transport,
        profile: Profile,
        *,
        deadline_s: float = 15.0,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> Job | None:
        """Print the slip that is due and settle it; None if none is.

        `build` makes the document of a job, marked by its copy number; a `PrinterError` from it, or
        from encoding, is FAILED with the reason `unprintable`.
        """
        job = self.next(clock())
        if job is None:
            return None
        try:
            data = encode(build(job), profile)
        except PrinterError as error:
            return self.fail(job, "unprintable", clock(), str(error))
        job = self.start(job, clock())
        try:
            outcome = send(
                data,
                transport,
                profile,
                deadline_s=deadline_s,
                # A copy follows a slip in doubt, which may have left half of itself in the printer.
                recover=job.copy > 0,
                before_first_byte=partial(self.let_leave, job),
            )
        except BaseException:
            self.recover(clock())
            raise
        return self.settle(job, outcome, clock())

    def print_all(
        self,
        build: Callable[[Job], Document],
        transport: Transport,
        profile: Profile,
        *,
        told: Callable[[Job], object] = lambda _: None,
    ) -> None:
        """Print until nothing waits, waiting out the pauses between tries.

        `told` hears of each attempt what became of it.
        """
        while self.jobs(JobState.QUEUED, limit=1):
            job = self.print_next(build, transport, profile)
            if job is None:
                time.sleep(IDLE_S)
            else:
                told(job)

    # --- what there is ---

    def job(self, key: str, copy: int) -> Job:
        """Raises `UnknownSlip`."""
        for job in self._select("WHERE key = ? AND copy = ?", key, copy):
            return job
        raise UnknownSlip(f"there is no slip {key!r}, copy {copy}")

    def copies(self, key: str) -> list[Job]:
        """All slips of a key, the original first. The last is the one a person is asked about."""
        return self._select("WHERE key = ? ORDER BY copy", key)

    def jobs(self, *states: JobState, limit: int = 100) -> list[Job]:
        """The oldest slips in these states, or in any."""
        wanted = states or tuple(JobState)
        marks = ", ".join("?" * len(wanted))
        return self._select(f"WHERE state IN ({marks}) ORDER BY id LIMIT ?", *wanted, limit)

    def questions(self, limit: int = 100) -> list[Job]:
        """What waits for a person: UNCERTAIN or FAILED, and not asked for again since."""
        return self._select(
            "WHERE state IN ('UNCERTAIN', 'FAILED') AND NOT EXISTS (SELECT 1 FROM print_jobs AS l"
            " WHERE l.key = print_jobs.key AND l.copy > print_jobs.copy) ORDER BY id LIMIT ?",
            limit,
        )

    def log(self, key: str | None = None, limit: int = 1000) -> list[Change]:
        """The latest changes, of one key or of all, the oldest of them first."""
        rows = self.db.execute(
            "SELECT at, key, copy, print_log.state, who, print_log.reason, sent, detail"
            " FROM print_log JOIN print_jobs ON print_jobs.id = job_id"
            " WHERE ? IS NULL OR key = ? ORDER BY print_log.id DESC LIMIT ?",
            (key, key, limit),
        ).fetchall()
        return [
            Change(datetime.fromisoformat(at), name, copy, JobState(state), *rest)
            for at, name, copy, state, *rest in reversed(rows)
        ]

    def prune(self, before: datetime) -> int:
        """Forget the keys of which nothing waits and nothing changed since; how many slips.

        A key that is forgotten is a new key: choose a time after which none is submitted again.
        """
        old = (
            "SELECT key FROM print_jobs GROUP BY key"
            " HAVING max(changed_at) < ? AND sum(state IN ('QUEUED', 'SENDING')) = 0"
        )
        with self._transaction():
            gone = self._select(f"WHERE key IN ({old})", stamp(before))
            for job in gone:
                self.db.execute("DELETE FROM print_log WHERE job_id = ?", (job.id,))
                self.db.execute("DELETE FROM print_jobs WHERE id = ?", (job.id,))
        return len(gone)

    # --- rows ---

    def _select(self, which: str, *values: str | int) -> list[Job]:
        rows = self.db.execute(f"SELECT {_JOB} FROM print_jobs {which}", values)  # noqa: S608
        return [_job(row) for row in rows]

    def _of_id(self, job_id: int) -> Job:
        (job,) = self._select("WHERE id = ?", job_id)
        return job

    def _move(
        self,
        job: Job,
        before: JobState,
        after: JobState,
        now: datetime,
        *,
        who: str = "",
        reason: str | None = None,
        sent: int | None = None,
        detail: str | None = None,
        next_try_at: datetime | None = None,
    ) -> Job:
        with self._transaction():
            try:
                moved = self.db.execute(
                    "UPDATE print_jobs SET state = ?, reason = ?, changed_at = ?, next_try_at = ?,"
                    " leaving = 0, tries = tries + (? = 'SENDING') WHERE id = ? AND state = ?",
                    (after, reason, stamp(now), stamp(next_try_at or now), after, job.id, before),
                ).rowcount
            except sqlite3.IntegrityError:
                raise SlipStateError("another slip is being sent") from None
            if not moved:
                raise SlipStateError(f"slip {job.key!r}, copy {job.copy}, is not {before}")
            self._note(job.id, after, now, who=who, reason=reason, sent=sent, detail=detail)
            return self._of_id(job.id)

    def _note(
        self,
        job_id: int,
        state: JobState,
        now: datetime,
        *,
        who: str = "",
        reason: str | None = None,
        sent: int | None = None,
        detail: str | None = None,
    ) -> None:
        self.db.execute(
            "INSERT INTO print_log (job_id, at, state, who, reason, sent, detail)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (job_id, stamp(now), state, who, reason, sent, detail),
        )

    def _check_room(self) -> None:
        waiting = "SELECT count(*) FROM print_jobs WHERE state = 'QUEUED'"
        if self.db.execute(waiting).fetchone()[0] >= self._limit:
            raise QueueFull(f"{self._limit} slips are waiting already; look at the printer")

    def _transaction(self) -> AbstractContextManager[None]:
        return nullcontext() if self.db.in_transaction else transaction(self.db)


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All or nothing, over a connection in autocommit mode; leaving by an exception undoes it all.

    Raises `sqlite3.OperationalError` where one is open already.
    """
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        # A full disk may already have rolled back; the first error is the one that matters.
        with suppress(sqlite3.OperationalError):
            db.execute("ROLLBACK")
        raise


def from_content(job: Job) -> Document:
    """The document that was submitted as JSON; a copy is marked at its top and before its end."""
    document = Document.from_json(job.content)
    if job.copy == 0:
        return document
    mark: tuple[Item, ...] = (
        Text(f"*** SALINAN KE-{job.copy} ***", align="center", bold=True),
        Text(f"Dicetak ulang {job.asked_at.astimezone():%d/%m/%Y %H:%M}", align="center"),
    )
    items = document.items
    # The last line stays last: it tells that the slip is whole.
    end = max((n for n, item in enumerate(items) if isinstance(item, Text)), default=len(items))
    return Document((*mark, *items[:end], *mark, *items[end:]))


def stamp(moment: datetime) -> str:
    """UTC with milliseconds and a Z: sorts as text."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


_JOB = (
    "id, key, copy, content, state, reason, tries, leaving, asked_by, asked_at, next_try_at,"
    " changed_at"
)


def _job(row: sqlite3.Row) -> Job:
    job_id, key, copy, content, state, reason, tries, leaving, asked_by, *moments = row
    asked_at, next_try_at, changed_at = map(datetime.fromisoformat, moments)
    return Job(
        job_id, key, copy, content, JobState(state), reason, tries, bool(leaving), asked_by,
        asked_at, next_try_at, changed_at,
    )  # fmt: skip


def _reason(outcome: Outcome) -> str | None:
    if outcome.result is Result.PRINTED:
        return None
    if outcome.result is Result.NOT_SENT:
        return "unreachable"
    return outcome.state.value if outcome.state.blocks else "no-word"


def _locked(path: Path) -> int:
    lock = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise QueueInUse(f"another process prints the queue {path}") from None
    return lock
