"""The queue of slips: what people say, what a crash leaves, and what never comes out twice."""

import re
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import printer
from printer import Document, JobState, Outcome, Result, Spooler, State, Text, spooler
from printer.hardware import Faults
from printer.virtual import running
from tests.printer.samples import NUMBER, karcis

NOW = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)
KIND = printer.profile("generic-58-qr")
GONE = Outcome(Result.NOT_SENT, State.UNKNOWN, 0, "cannot reach it")
EMPTY = Outcome(Result.REFUSED, State.PAPER_OUT, 0, "the printer says: paper-out")
HALF = Outcome(Result.UNCERTAIN, State.UNKNOWN, 41, "the connection broke")
PRINTED = Outcome(Result.PRINTED, State.READY, 770, "the printer acknowledged")


@pytest.fixture
def slips(tmp_path):
    with Spooler.open(tmp_path / "queue.sqlite", owner=True) as slips:
        yield slips


def attempt(slips, outcome, now=NOW):
    return slips.settle(slips.start(slips.next(now), now), outcome, now)


def test_a_slip_is_printed_when_the_printer_says_so(slips):
    slips.submit("R-1", "isi", now=NOW)
    job = attempt(slips, PRINTED)
    assert (job.state, job.reason, job.tries) == (JobState.PRINTED, None, 1)
    assert slips.next(NOW) is None
    assert slips.questions() == []


def test_the_same_slip_asked_for_again_is_the_same_job(slips):
    first = slips.submit("R-1", "isi", now=NOW)
    assert slips.submit("R-1", "isi", now=NOW + timedelta(minutes=1)) == first
    attempt(slips, PRINTED)
    assert slips.submit("R-1", "isi", now=NOW).state is JobState.PRINTED
    assert slips.next(NOW) is None


def test_slips_come_out_in_order_and_wait_for_the_first(slips):
    for number in (1, 2, 3):
        slips.submit(f"R-{number}", "isi", now=NOW)
    assert attempt(slips, GONE).state is JobState.QUEUED
    assert slips.next(NOW + timedelta(seconds=1)) is None, "the second would overtake the first"
    later = NOW + timedelta(seconds=2)
    order = [attempt(slips, PRINTED, later).key for _ in range(3)]
    assert order == ["R-1", "R-2", "R-3"]


def test_pauses_grow_and_then_it_asks(slips):
    slips.submit("R-1", "isi", now=NOW)
    now, pauses = NOW, []
    while (job := attempt(slips, EMPTY, now)).state is JobState.QUEUED:
        pauses.append((job.next_try_at - now).seconds)
        now = job.next_try_at
    assert pauses[:6] == [2, 5, 10, 30, 30, 30]
    assert (job.state, job.reason) == (JobState.FAILED, "paper-out")
    assert spooler.RETRY_FOR < now - NOW < spooler.RETRY_FOR + timedelta(minutes=1)
    assert slips.questions() == [job]
    assert slips.again("R-1", 0, who="J-001", now=now).copy == 0, "nothing of it ever left"
    assert attempt(slips, PRINTED, now).tries == 1


def test_a_clock_that_goes_back_holds_nothing_up(slips):
    slips.submit("R-1", "isi", now=NOW)
    attempt(slips, GONE)
    yesterday = NOW - timedelta(hours=26)
    assert attempt(slips, GONE, yesterday).state is JobState.FAILED


def test_once_bytes_left_only_a_copy_is_printed_again(slips):
    slips.submit("R-1", "isi", now=NOW)
    assert attempt(slips, HALF).reason == "no-word"
    assert [job.copy for job in slips.questions()] == [0]
    copy = slips.again("R-1", 0, who="J-001", why="sobek", now=NOW)
    assert (copy.copy, copy.content, copy.asked_by) == (1, "isi", "J-001")
    assert slips.again("R-1", 0, who="J-001", now=NOW) == copy, "a second tap is the same copy"
    assert slips.questions() == []
    assert attempt(slips, PRINTED).copy == 1
    assert slips.again("R-1", 0, who="J-001", now=NOW).state is JobState.PRINTED
    assert slips.again("R-1", 1, who="J-001", now=NOW).copy == 2


def test_a_person_may_say_that_it_came_out_and_only_of_what_is_uncertain(slips):
    slips.submit("R-1", "isi", now=NOW)
    with pytest.raises(printer.SlipStateError, match="not UNCERTAIN"):
        slips.seen("R-1", 0, who="J-001", now=NOW)
    attempt(slips, HALF)
    assert slips.seen("R-1", 0, who="J-001", now=NOW).state is JobState.PRINTED
    with pytest.raises(printer.UnknownSlip):
        slips.seen("R-2", 0, who="J-001", now=NOW)


def test_every_attempt_is_told_with_who_when_why_and_bytes(slips):
    slips.submit("R-1", "isi", who="J-001", now=NOW)
    attempt(slips, GONE)
    attempt(slips, HALF, NOW + timedelta(seconds=2))
    slips.seen("R-1", 0, who="J-002", now=NOW + timedelta(seconds=9))
    told = [(c.state, c.who, c.reason, c.sent) for c in slips.log("R-1")]
    assert told == [
        ("QUEUED", "J-001", None, None),
        ("SENDING", "", None, None),
        ("QUEUED", "", "unreachable", 0),
        ("SENDING", "", None, None),
        ("UNCERTAIN", "", "no-word", 41),
        ("PRINTED", "J-002", None, None),
    ]
    assert [(c.at - NOW).seconds for c in slips.log()] == [0, 0, 0, 2, 2, 9]


def test_a_full_queue_refuses_and_takes_again_when_there_is_room(tmp_path):
    with Spooler.open(tmp_path / "queue.sqlite", limit=2) as slips:
        for number in (1, 2):
            slips.submit(f"R-{number}", "isi", now=NOW)
        with pytest.raises(printer.QueueFull, match="look at the printer"):
            slips.submit("R-3", "isi", now=NOW)
        assert slips.submit("R-2", "isi", now=NOW).key == "R-2", "it is in already"
        attempt(slips, PRINTED)
        slips.submit("R-3", "isi", now=NOW)


def test_old_slips_are_forgotten_unless_they_wait(slips):
    for number in (1, 2, 3):
        slips.submit(f"R-{number}", "isi", now=NOW)
    attempt(slips, HALF)
    attempt(slips, PRINTED)
    later = NOW + timedelta(days=9)
    slips.again("R-1", 0, who="", now=later)
    assert slips.prune(NOW + timedelta(days=1)) == 1
    assert [job.key for job in slips.jobs()] == ["R-1", "R-3", "R-1"]
    assert slips.log("R-2") == []


def test_one_slip_at_a_time_and_one_owner(slips, tmp_path):
    first, second = (slips.submit(key, "isi", now=NOW) for key in ("R-1", "R-2"))
    slips.start(first, NOW)
    with pytest.raises(printer.SlipStateError, match="another"):
        slips.start(second, NOW)
    with pytest.raises(printer.QueueInUse):
        Spooler.open(tmp_path / "queue.sqlite", owner=True)
    with Spooler.open(tmp_path / "queue.sqlite") as other:
        assert other.jobs(JobState.SENDING) == [slips.job("R-1", 0)], "to look takes no ownership"


@pytest.mark.parametrize(
    ("leaves", "state", "reason"),
    [(True, JobState.UNCERTAIN, "interrupted"), (False, JobState.QUEUED, None)],
)
def test_what_a_dead_owner_was_sending_is_asked_about_only_once_it_left(
    tmp_path, leaves, state, reason
):
    path = tmp_path / "queue.sqlite"
    with Spooler.open(path, owner=True) as slips:
        job = slips.start(slips.submit("R-1", "isi", now=NOW), NOW)
        slips.submit("R-2", "isi", now=NOW)
        if leaves:
            slips.let_leave(job)
    with Spooler.open(path, owner=True) as slips:
        job = slips.job("R-1", 0)
        assert (job.state, job.reason, job.leaving) == (state, reason, False)
        assert slips.next(NOW).key == ("R-2" if leaves else "R-1")
        with pytest.raises(printer.SlipStateError, match="not being sent"):
            slips.let_leave(job)


def test_that_a_slip_leaves_is_on_disk_before_its_first_byte(slips, tmp_path):
    class Watched(printer.Memory):
        def write(self, data, deadline_s):
            with Spooler.open(tmp_path / "queue.sqlite") as other:
                seen.append(other.job("R-1", 0).leaving)
            super().write(data, deadline_s)

    seen = []
    slips.submit("R-1", karcis().to_json(), now=NOW)
    slips.print_next(printer.from_content, Watched(), KIND, clock=lambda: NOW)
    assert seen
    assert all(seen)


def test_a_slip_that_was_leaving_in_an_older_file_is_asked_about(tmp_path):
    path = tmp_path / "queue.sqlite"
    old = sqlite3.connect(path)
    old.executescript(
        spooler.SCHEMA[0]
        + f"PRAGMA user_version = 1; PRAGMA application_id = {spooler.APPLICATION_ID};"
        "INSERT INTO print_jobs (key, copy, content, state, asked_at, next_try_at, changed_at)"
        " VALUES ('R-1', 0, 'isi', 'SENDING', '2026-11-22T00:00:00.000Z',"
        " '2026-11-22T00:00:00.000Z', '2026-11-22T00:00:00.000Z')"
    )
    old.close()
    with Spooler.open(path, owner=True) as slips:
        assert slips.job("R-1", 0).state is JobState.UNCERTAIN


@pytest.mark.parametrize("theirs", ["PRAGMA user_version = 1", "CREATE TABLE sales (id)"])
def test_a_file_of_another_program_is_not_touched(tmp_path, theirs):
    path = tmp_path / "other.sqlite"
    db = sqlite3.connect(path)
    db.execute(theirs)
    db.close()
    before = path.read_bytes()
    for _ in range(2):  # the first refusal leaves no lock behind
        with pytest.raises(printer.QueueInUse, match="another program"):
            Spooler.open(path, owner=True)
    assert path.read_bytes() == before


def test_two_processes_may_make_the_queue_at_once(tmp_path, monkeypatch):
    path, version = tmp_path / "queue.sqlite", Spooler._version

    def overtaken(slips, of):
        """Asked first, it is a new file; then another process is quicker."""
        found = version(slips, of)
        monkeypatch.undo()
        Spooler.open(path).close()
        return found

    monkeypatch.setattr(Spooler, "_version", overtaken)
    with Spooler.open(path) as slips:
        assert slips.submit("R-1", "isi", now=NOW).state is JobState.QUEUED


def test_changes_join_the_callers_transaction(tmp_path):
    db = sqlite3.connect(tmp_path / "own.sqlite", isolation_level=None)
    db.executescript("CREATE TABLE facts (what TEXT);" + "".join(spooler.SCHEMA))
    slips = Spooler(db)
    job = slips.start(slips.submit("R-1", "isi", now=NOW), NOW)
    db.execute("BEGIN")
    slips.settle(job, PRINTED, NOW)
    db.execute("INSERT INTO facts VALUES ('printed')")
    db.execute("ROLLBACK")
    assert slips.job("R-1", 0).state is JobState.SENDING
    assert db.execute("SELECT count(*) FROM facts").fetchone() == (0,)
    db.close()


def test_a_document_that_cannot_be_printed_fails_and_sends_nothing(slips):
    slips.submit("R-1", "{}", now=NOW)
    paper = printer.Memory()
    job = slips.print_next(printer.from_content, paper, KIND, clock=lambda: NOW)
    assert (job.state, job.reason) == (JobState.FAILED, "unprintable")
    assert paper.data == b""


def test_a_copy_is_marked_at_both_ends_and_its_last_line_stays_last(slips):
    slips.submit("R-1", karcis().to_json(), now=NOW)
    attempt(slips, HALF)
    document = printer.from_content(slips.again("R-1", 0, who="", now=NOW))
    texts = [item.text for item in document.items if isinstance(item, Text)]
    assert [n for n, text in enumerate(texts) if "SALINAN KE-1" in text] == [0, len(texts) - 3]
    assert texts[-1] == f"-- AKHIR {NUMBER} --"
    assert document.items[-1] == printer.Cut()


# --- a cut at every byte, on a real socket ---

SHORT = Document(
    (Text("KARCIS PARKIR"), Text("TOTAL Rp2.000"), Text(f"-- AKHIR {NUMBER} --"), printer.Cut())
)
QUESTIONS = 12
"""So many bytes the status takes before the slip; the request to acknowledge takes 3 after it."""


class Person:
    """Looks at the paper whenever the queue asks, and answers what is true."""

    def __init__(self, slips: Spooler, out: Path) -> None:
        self.slips, self.out = slips, out

    def paper(self) -> list[str]:
        return [path.read_text() for path in sorted(self.out.glob("receipt-*.txt"))]

    def whole(self, copy: int) -> list[str]:
        mark = f"SALINAN KE-{copy}" if copy else None
        whole = [text for text in self.paper() if f"-- AKHIR {NUMBER} --" in text]
        return [t for t in whole if (mark in t if mark else "SALINAN" not in t)]

    def answer(self, now: datetime) -> None:
        for job in self.slips.questions():
            if job.state is JobState.UNCERTAIN and self.whole(job.copy):
                self.slips.seen(job.key, job.copy, who="orang", now=now)
            else:
                self.slips.again(job.key, job.copy, who="orang", now=now)


def cut_at(byte: int, document: Document, folder: Path) -> list[JobState]:
    """One slip whose printer loses its power after so many bytes; the states it went through."""
    folder.mkdir()
    out, now = folder / "paper", NOW
    with (
        running(KIND, out, Faults(cut_at=byte)) as machine,
        Spooler.open(folder / "queue.sqlite", owner=True) as slips,
    ):
        person, way = Person(slips, out), printer.Network("127.0.0.1", machine.port)
        slips.submit(NUMBER, document.to_json(), now=now)
        first = slips.print_next(printer.from_content, way, KIND, clock=lambda: now)
        assert first is not None
        if byte > QUESTIONS:
            assert first.state in (JobState.PRINTED, JobState.UNCERTAIN)
        for _ in range(3):
            person.answer(now)
            now += timedelta(seconds=30)
            slips.print_next(printer.from_content, way, KIND, clock=lambda: now)  # noqa: B023
        states = [change.state for change in slips.log()]
        copies = slips.copies(NUMBER)
    assert copies[-1].state is JobState.PRINTED
    assert len(person.whole(0)) <= 1, "two originals"
    assert person.whole(copies[-1].copy), "said to be printed, and is not on paper"
    assert sum(map(len, (person.whole(job.copy) for job in copies))) >= 1, "a lost slip"
    return states


def test_a_cut_at_every_byte_ends_printed_or_uncertain_with_one_original(tmp_path):
    size = QUESTIONS + len(printer.encode(SHORT, KIND)) + 3
    asked = 0
    for byte in range(size + 1):
        states = cut_at(byte, SHORT, tmp_path / str(byte))
        asked += JobState.UNCERTAIN in states
    assert size - QUESTIONS - 4 <= asked <= size - QUESTIONS + 1


# --- any order of events at all ---


class Machine(RuleBasedStateMachine):
    """The queue against a model of its own: what left this host, by key and copy."""

    KEYS = ("R-1", "R-2", "R-3")
    keys = st.sampled_from(KEYS)

    def __init__(self) -> None:
        super().__init__()
        self.db = sqlite3.connect(":memory:", isolation_level=None)
        self.db.executescript("".join(spooler.SCHEMA))
        self.slips = Spooler(self.db, limit=4)
        self.now = NOW
        self.sending: Any = None
        self.leaving = False
        self.left: dict[tuple[str, int], int] = {}  # bytes that left this host, ever
        self.asked: set[str] = set()

    @rule(key=keys)
    def submit(self, key):
        try:
            self.slips.submit(key, "isi", now=self.now)
            self.asked.add(key)
        except printer.QueueFull:
            assert len(self.slips.jobs(JobState.QUEUED)) == 4

    @rule(seconds=st.sampled_from([-90_000, 0, 1, 2, 5, 30, 1000]))
    def time_passes(self, seconds):
        self.now += timedelta(seconds=seconds)

    @precondition(lambda self: self.sending is None and self.slips.next(self.now))
    @rule()
    def start(self):
        self.sending = self.slips.start(self.slips.next(self.now), self.now)
        assert self.left.get((self.sending.key, self.sending.copy), 0) == 0, "sent a second time"

    @precondition(lambda self: self.sending)
    @rule()
    def leave(self):
        self.slips.let_leave(self.sending)
        self.leaving = True

    @precondition(lambda self: self.sending)
    @rule(outcome=st.sampled_from([GONE, EMPTY, HALF, PRINTED]))
    def settle(self, outcome):
        if outcome.sent:
            self.leave()
        job, self.sending, self.leaving = self.sending, None, False
        self.left[(job.key, job.copy)] = outcome.sent
        after = self.slips.settle(job, outcome, self.now)
        assert (after.state is JobState.PRINTED) == (outcome is PRINTED)
        assert (after.state is JobState.UNCERTAIN) == (outcome is HALF)

    @rule(left=st.booleans())
    def crash(self, left):
        job, left = self.sending, left and self.leaving
        self.slips.recover(self.now)
        if job:
            self.left[(job.key, job.copy)] = int(left)
            after = self.slips.job(job.key, job.copy).state
            assert after is (JobState.UNCERTAIN if self.leaving else JobState.QUEUED)
        self.sending, self.leaving = None, False

    @rule(key=keys, copy=st.integers(0, 3))
    def again(self, key, copy):
        try:
            job = self.slips.again(key, copy, who="orang", now=self.now)
        except (printer.UnknownSlip, printer.QueueFull):
            return
        assert job.copy in (copy, copy + 1)

    @rule(key=keys, copy=st.integers(0, 3))
    def seen(self, key, copy):
        try:
            self.slips.seen(key, copy, who="orang", now=self.now)
        except (printer.UnknownSlip, printer.SlipStateError):
            return

    @invariant()
    def every_slip_stands_somewhere(self):
        jobs = self.slips.jobs()
        assert {job.key for job in jobs} == self.asked, "lost"
        for key in self.asked:
            copies = self.slips.copies(key)
            assert [job.copy for job in copies] == list(range(len(copies)))
        for job in jobs:
            if self.left.get((job.key, job.copy)):
                assert job.state in (JobState.PRINTED, JobState.UNCERTAIN), "would be sent again"
        moving = [(job.key, job.copy) for job in self.slips.jobs(JobState.SENDING)]
        assert moving == ([(self.sending.key, self.sending.copy)] if self.sending else [])
        told = {(c.key, c.copy): c.state for c in self.slips.log()}
        assert told == {(job.key, job.copy): job.state for job in jobs}, "the log says otherwise"

    def teardown(self):
        self.db.close()


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_the_states_are_those_the_tables_allow():
    listed = re.search(r"state IN \(([^)]+)\)", spooler.SCHEMA[0])
    assert listed is not None
    assert re.findall(r"\w+", listed[1]) == [state.value for state in JobState]
