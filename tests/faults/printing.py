"""T22: printers that fail under a queue of slips, and a queue whose process dies.

A virtual printer keeps the paper, a process of its own prints, and a person looks at the paper
whenever the queue asks and says what is true. Judged is what lies on the counter in the end.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import printer
from printer import JobState, Spooler, delivery, status
from printer.hardware import Faults
from printer.virtual import VirtualPrinter, running
from tests import forks
from tests.faults import spooling
from tests.faults.handset import KILL_AT_WRITE
from tests.faults.stage import Stage, Tally

forks.load("tests.faults.spooling")
LANES = 3
LIFE_S = 30.0
LIVES = 6
KIND = "generic-80"
OTHERS: Mapping[str, tuple[str, ...]] = {
    "star-80": (),
    "star-58": (),
    "tspl-58": (),
    "generic-58": ("silent",),
}
"""Other kinds of printers, with what always ails them; the last two never say what is printed."""
QUESTIONS = {"dle-eot": 12, "star": len(status.STAR_ASK), "tspl": len(status.TSPL_ASK)}
"""So many bytes of status are asked before a slip."""
LONGEST_SWEEP = 200
BREAKS = {
    KILL_AT_WRITE: "killed at a write",
    spooling.KILL_AT_BYTE: "killed at a byte",
    spooling.DROP_AT_BYTE: "connection dropped at a byte",
}
AILING: tuple[tuple[str, ...], ...] = (
    ("paper-out:0",),
    ("paper-out:1", "keeps-buffer"),
    ("paper-out:1", "loses-buffer"),
    ("paper-out:2", "keeps-buffer"),
    ("paper-out:2", "loses-buffer"),
    ("paper-out:3",),
    ("cover-open",),
    ("near-end",),
    ("stall:0",),
    ("stall:40",),
    ("slow:400",),
    ("hot-head:2",),
    ("cutter-jam",),
    ("silent",),
    ("wrong-status",),
    ("late-status:0.4",),
    ("unasked-asb",),
    ("drop-tail:30",),
)
"""What a printer may be like when the first slip comes; it is mended before the second try."""


class PaperStage(Stage):
    """No server and no acquirer: a row that is about paper brings its own processes."""

    @asynccontextmanager
    async def standing(self) -> AsyncIterator["PaperStage"]:
        self.folder.mkdir(parents=True)
        yield self

    async def settle(self) -> None:
        """Each trial waits for its own end."""

    async def judge(self) -> None:
        """Each trial is judged when it ends."""


@dataclass
class Trial:
    """Slips that go through one queue onto one printer."""

    folder: Path
    ours: bool
    faults: Sequence[str] = ()
    first_life: Mapping[str, str] = field(default_factory=dict)
    """What breaks the process, once: of `BREAKS`, with the place."""
    keys: Sequence[str] = ("R-1", "R-2")
    mend_first: bool = True
    """Whether the person mends the printer before answering, or after."""
    kind: str = KIND
    pty: bool = False
    """On a serial line; the person switches the printer off and on whenever it is mended."""
    bin: bool = False
    """The first life's paper is thrown away: the printer says printed, and nothing is there."""
    tally: Tally = field(default_factory=Tally)

    def play(self) -> Tally:
        self.folder.mkdir(parents=True)
        self.tally.runs = 1
        self.tally.fired.update(fault.partition(":")[0] for fault in self.faults)
        if self.bin:
            self.tally.fired["said printed, thrown away"] += 1
            with running(self.profile, self.folder / "bin") as machine:
                self._live(machine)
        faults = Faults.parse(self.faults)
        with running(self.profile, self._out, faults, pty=self.pty) as machine:
            self._live(machine, self.first_life)
            for _ in range(LIVES):
                if self.mend_first:
                    mend(machine)
                settled = self._answer(machine)
                mend(machine)
                if settled:
                    break
                self._live(machine)
        self._judge()
        return self.tally

    @property
    def profile(self) -> printer.Profile:
        return printer.profile(self.kind)

    @property
    def _out(self) -> Path:
        return self.folder / "paper"

    def _live(self, machine: VirtualPrinter, broken: Mapping[str, str] | None = None) -> None:
        """One life of the process that prints."""
        environment = {
            spooling.FOLDER: str(self.folder),
            spooling.URL: machine.address,
            spooling.KIND: self.kind,
            spooling.KEYS: " ".join(self.keys),
            **(broken or {}),
        }
        command = ("tests.faults.spooling", *(() if self.ours else ("naive",)))
        process = forks.Fork(command, environment, self.folder / "log")
        process.start()
        code = process.wait(LIFE_S)
        process.kill()
        self.tally.kills += code == -9
        self.tally.fired.update(BREAKS[name] for name in broken or ())
        if code not in (0, -9):
            self.tally.violate("the process broke", process.why_dead())

    def _answer(self, machine: VirtualPrinter) -> bool:
        """The person answers by the paper; whether nothing is left to be printed."""
        until_quiet(machine)
        if not self.ours:
            return (self.folder / "queue.json").exists()
        now = datetime.now(UTC)
        with Spooler.open(self.folder / "queue.sqlite") as slips:
            for job in last_copies(slips):
                whole = self.whole(job.key, job.copy)
                if job.state is JobState.UNCERTAIN and whole:
                    slips.seen(job.key, job.copy, who="orang", now=now)
                elif job.state is not JobState.QUEUED and not whole:
                    slips.again(job.key, job.copy, who="orang", now=now)
            last = last_copies(slips)
        known = {job.key for job in last} == set(self.keys)
        return known and all(job.state is JobState.PRINTED for job in last)

    def whole(self, key: str, copy: int | None) -> list[str]:
        """Slips on the counter that end with their last line; of any copy where none is named."""
        papers = [path.read_text() for path in sorted(self._out.glob("receipt-*.txt"))]
        found = [text for text in papers if f"-- AKHIR {key} --" in text]
        if copy is None:
            return found
        return [t for t in found if (f"SALINAN KE-{copy} " in t if copy else "SALINAN" not in t)]

    def _judge(self) -> None:
        for key in self.keys:
            self.tally.acked += 1
            if len(self.whole(key, 0)) > 1:
                self.tally.violate("two originals", self.folder.name)
            if self.whole(key, None):
                self.tally.stored += 1
            else:
                self.tally.violate("a lost slip", self.folder.name)
        if not self.ours:
            return
        with Spooler.open(self.folder / "queue.sqlite") as slips:
            for job in last_copies(slips):
                if job.state is not JobState.PRINTED:
                    self.tally.violate("neither printed nor asked", f"{self.folder.name} {job}")
                elif not self.whole(job.key, job.copy):
                    self.tally.violate("said to be printed and is not", self.folder.name)
            changes = slips.log()
        if any(change.state is JobState.QUEUED and change.sent for change in changes):
            self.tally.violate("to be sent again after bytes left", self.folder.name)
        asked = any(change.state is JobState.UNCERTAIN for change in changes)
        if asked and self._died_before_it_left and self.profile.acknowledge != "none":
            self.tally.violate("asked about a slip that never left", self.folder.name)

    @property
    def _died_before_it_left(self) -> bool:
        killed_at = self.first_life.get(spooling.KILL_AT_BYTE)
        return killed_at is not None and int(killed_at) < QUESTIONS[self.profile.status]


def last_copies(slips: Spooler) -> list[printer.Job]:
    """Of each key the slip that a person is asked about."""
    return list({job.key: job for job in slips.jobs()}.values())


def mend(machine: VirtualPrinter) -> None:
    """What a person does about a printer: switches it off and on where it stalls or is jammed."""
    machine.do("paper", "full")
    machine.do("cover", "closed")
    machine.do("head", "cool")
    if machine.hardware.jammed or machine.connected:
        machine.do("power", "off")
        machine.do("power", "on")


def until_quiet(machine: VirtualPrinter) -> None:
    """Until what has arrived is on paper; a printer that is stuck does not get quiet."""
    deadline = time.monotonic() + 1.0
    while machine.connected or machine.interpreter.busy:
        if time.monotonic() > deadline or machine.hardware.stopped:
            break
        time.sleep(0.01)
    time.sleep(0.02)


async def print_badly(stage: PaperStage) -> None:
    """T22. Every fault a printer has, a cut at every byte, and a death at every write and byte."""
    trials = [*_ailing(stage), *_cut(stage), *_broken(stage), *_others(stage)]
    with ThreadPoolExecutor(LANES) as lanes:
        loop = asyncio.get_running_loop()
        tallies = await asyncio.gather(
            *(loop.run_in_executor(lanes, trial.play) for trial in trials)
        )
    for tally in tallies:
        add(stage.tally, tally)
    if stage.is_ours:
        await asyncio.to_thread(_kill_at_every_write, stage)


def _ailing(stage: PaperStage) -> Iterator[Trial]:
    for number, faults in enumerate(AILING):
        for mend_first in (True, False):
            name = f"ailing-{number}-{mend_first}"
            yield Trial(stage.folder / name, stage.is_ours, faults, mend_first=mend_first)
    yield Trial(stage.folder / "bin", stage.is_ours, bin=True)


def _cut(stage: PaperStage) -> Iterator[Trial]:
    """The printer's power goes, at every byte of the way; ten bytes do for the control."""
    places = range(1, way_bytes(KIND) + 1)
    for byte in places if stage.is_ours else stage.rng.sample(places, 10):
        faults = (f"cut-at:{byte}",)
        yield Trial(stage.folder / f"cut-{byte}", stage.is_ours, faults, keys=("R-1",))


def _broken(stage: PaperStage) -> Iterator[Trial]:
    """The process dies, or its connection does, after every eighth byte and around the ends."""
    size, asked = way_bytes(KIND), QUESTIONS["dle-eot"]
    ends = {asked - 1, asked, asked + 1, size - 4, size - 3, size - 2, size - 1}
    for name in (spooling.KILL_AT_BYTE, spooling.DROP_AT_BYTE):
        for byte in sorted({*range(stage.rng.randrange(8), size, 8), *ends}):
            life = {name: str(byte)}
            folder = stage.folder / f"{BREAKS[name]} {byte}"
            yield Trial(folder, stage.is_ours, first_life=life)


def _others(stage: PaperStage) -> Iterator[Trial]:
    """Other printers, and a serial line: some of the same, drawn from the seed."""
    ways = [(kind, False) for kind in OTHERS] + [(KIND, True)]
    for kind, pty in ways:
        always, size = OTHERS.get(kind, ()), way_bytes(kind)
        name = f"{kind}{'-serial' if pty else ''}"
        whole = Trial(stage.folder / name, stage.is_ours, always, kind=kind, pty=pty)
        yield whole
        for number, faults in enumerate(stage.rng.sample(AILING, 3)):
            folder, mend_first = stage.folder / f"{name}-ailing-{number}", bool(number % 2)
            faults = (*always, *faults)
            yield replace(whole, folder=folder, faults=faults, mend_first=mend_first, tally=Tally())
        for byte in stage.rng.sample(range(1, size + 1), 3):
            folder, faults = stage.folder / f"{name}-cut-{byte}", (*always, f"cut-at:{byte}")
            yield replace(whole, folder=folder, faults=faults, tally=Tally())
        for what, byte in zip(
            (spooling.KILL_AT_BYTE, spooling.KILL_AT_BYTE, spooling.DROP_AT_BYTE),
            (1, *stage.rng.sample(range(2, size), 2)),
            strict=True,
        ):
            folder = stage.folder / f"{name} {BREAKS[what]} {byte}"
            yield replace(whole, folder=folder, first_life={what: str(byte)}, tally=Tally())


def way_bytes(kind: str) -> int:
    """All that is sent for one slip: questions, slip, and what asks for the acknowledgement."""
    profile = printer.profile(kind)
    token = delivery.token(profile)
    slip = printer.encode(spooling.slip("R-1"), profile)
    return QUESTIONS[profile.status] + len(slip) + (len(token.request) if token else 0)


def _kill_at_every_write(stage: PaperStage) -> None:
    """SQLite's own method: die at write 1, 2, 3 … until a life passes unharmed."""
    for number in range(1, LONGEST_SWEEP):
        life = {KILL_AT_WRITE: str(number)}
        tally = Trial(stage.folder / f"write-{number}", ours=True, first_life=life).play()
        add(stage.tally, tally)
        if not tally.kills:
            return
    stage.tally.violate("a life never passed")


def add(whole: Tally, part: Tally) -> None:
    for name in ("runs", "kills", "acked", "stored"):
        setattr(whole, name, getattr(whole, name) + getattr(part, name))
    whole.fired += part.fired
    whole.violations += part.violations
    for what, examples in part.examples.items():
        whole.examples[what] = [*whole.examples.get(what, []), *examples][:3]
