"""`make mutation`: are the tests of the money strong enough to notice a small fault in it?

A seeded sample of the mutants of mutmut's operators is tried. Each is put in place of its function
in a forked child, which then runs the tests that reach the mutated statement, nearest first. A
mutant that no test notices is a missing assertion, or means the same as the code.
"""

import argparse
import gc
import json
import os
import random
import re
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType

import coverage
import libcst as cst
import libcst.matchers as m
import pytest
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.mutators import mutation_operators, operator_arg_removal, operator_assignment
from rich.console import Console

from tests.faults.__main__ import commit, machine

ROOT = Path(__file__).parents[1]
REPORT = ROOT / "reports" / "mutation.json"
MUTATED = (
    "server/ledger/*.py", "server/payments/*.py",
    "domain/mdr.py", "domain/money.py", "domain/payment.py", "domain/shares.py", "domain/states.py",
)  # fmt: skip
TESTS = (
    "tests/domain", "tests/properties", "tests/guards",
    "tests/server", "--ignore=tests/server/sandbox", "--ignore=tests/server/identity",
)  # fmt: skip
NEAREST = 100
"""Tests run against one mutant at most. More would find more: the score is a lower bound."""
QUIET = (
    "-p", "no:randomly", "-p", "no:cacheprovider",
    "-W", "ignore::pytest.PytestAssertRewriteWarning",  # a child finds the modules imported
)  # fmt: skip
BROKEN = 70
WITHOUT_MEANING = (
    m.Annotation() | m.Decorator() | m.Param() | m.Call(m.Attribute(value=m.Name("log")))
)
REFUSED_BY_TYPES = (operator_assignment, operator_arg_removal)
"""None for a value, an argument dropped: mypy --strict refuses them. Dropping an argument given by
keyword is kept, as it may leave a default that no type shows."""
screen = Console(highlight=False, soft_wrap=True, markup=False)
Living = defaultdict[tuple[str, int], list[FunctionType]]
Reach = dict[str, dict[str, list[str]]]
"""The tests that reach a line of a file, nearest first."""


@dataclass(frozen=True)
class Mutant:
    path: str
    function: str
    lines: range
    module: cst.Module
    node: cst.CSTNode
    changed: cst.CSTNode

    @property
    def file(self) -> str:
        return str(ROOT / self.path)

    def is_in(self, code: CodeType) -> bool:
        return code.co_qualname == self.function and code.co_firstlineno <= self.lines.start

    @property
    def where(self) -> str:
        return f"{self.path}:{self.lines.start} {self.function}"

    @property
    def change(self) -> str:
        before, after = map(self.module.code_for_node, (self.node, self.changed))
        return " ".join(f"{before}  ->  {after}".split())

    @property
    def source(self) -> str:
        return self.module.deep_replace(self.node, self.changed).code


class Mutants(cst.CSTVisitor):
    """Every mutant of mutmut's operators inside the functions of one file, save those without
    meaning: in annotations, decorators and log lines, or only a string's case changed."""

    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self, path: str, module: cst.Module) -> None:
        self.path, self.module = path, module
        self.found: list[Mutant] = []
        self._inside: list[cst.CSTNode] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        if m.matches(node, WITHOUT_MEANING):
            return False
        self._inside.append(node)
        for kind, operator in mutation_operators:
            if isinstance(node, kind) and operator not in REFUSED_BY_TYPES:
                for changed in operator(node):
                    self._keep(node, changed)
        if isinstance(node, cst.Call):
            for argument in node.args:
                if argument.keyword:
                    others = [other for other in node.args if other is not argument]
                    self._keep(node, node.with_changes(args=others))
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        if self._inside and self._inside[-1] is original_node:
            self._inside.pop()

    def _keep(self, node: cst.CSTNode, changed: cst.CSTNode) -> None:
        function = self._function()
        if not function or (
            isinstance(node, cst.SimpleString)
            and isinstance(changed, cst.SimpleString)
            and node.value.lower() == changed.value.lower()
        ):
            return
        place = self.get_metadata(PositionProvider, self._statement(node))
        lines = range(place.start.line, place.end.line + 1)
        self.found.append(Mutant(self.path, function, lines, self.module, node, changed))

    def _function(self) -> str:
        """The qualified name of the outermost function or method around, as its code knows it."""
        names = []
        for outer in self._inside:
            if isinstance(outer, cst.FunctionDef | cst.ClassDef):
                names.append(outer.name.value)
            if isinstance(outer, cst.FunctionDef):
                return ".".join(names)
        return ""

    def _statement(self, node: cst.CSTNode) -> cst.CSTNode:
        """The simple statement around a node; a condition of a compound one stands for itself."""
        return next((n for n in self._inside if isinstance(n, cst.SimpleStatementLine)), node)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--sample", type=int, default=300, help="mutants to try")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--reach", type=Path, help="keep what tests reach here, or take it")
    asked = parser.parse_args()
    from tests.server import cluster

    with cluster.running() as url, tempfile.TemporaryDirectory(prefix="karcis-") as folder:
        os.environ["KARCIS_TEST_CLUSTER"] = url
        reach_file = asked.reach or Path(folder, "reach.json")
        pytest.main([*QUIET, "--collect-only", "-qq", *TESTS])  # no child imports it all again
        if not reach_file.exists():
            os.waitpid(fork(lambda: measure(reach_file), Path(folder, "measured.log")), 0)
        mutants = sample(asked.sample, random.Random(asked.seed))
        reach = json.loads(reach_file.read_text())
        gc.collect()
        living = functions()
        gc.freeze()  # the children share these pages
        verdicts = list(run(mutants, reach, living, asked.workers, Path(folder)))
    write(asked.seed, verdicts)
    return 0


def sample(size: int, chance: random.Random) -> list[Mutant]:
    """Mutants of every module, as many as its share of all, and at least three."""
    found = {path: every_mutant(path) for path in sorted(paths())}
    total = sum(map(len, found.values()))
    chosen = [
        mutant
        for mutants in found.values()
        for mutant in chance.sample(
            mutants, min(len(mutants), max(3, round(size * len(mutants) / total)))
        )
    ]
    chance.shuffle(chosen)
    screen.print(f"{len(chosen)} of {total} mutants")
    return chosen


def paths() -> Iterator[str]:
    for pattern in MUTATED:
        yield from (str(path.relative_to(ROOT)) for path in ROOT.glob(pattern))


def every_mutant(path: str) -> list[Mutant]:
    wrapper = MetadataWrapper(cst.parse_module((ROOT / path).read_text()))
    mutants = Mutants(path, wrapper.module)
    wrapper.visit(mutants)
    return mutants.found


class Measuring:
    """A pytest plugin that notes each test's time, and what it reaches."""

    def __init__(self, cover: coverage.Coverage) -> None:
        self._cover = cover
        self.seconds: Counter[str] = Counter()
        self.failed: set[str] = set()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        self._cover.switch_context(function_of(item.nodeid))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[function_of(report.nodeid)] += report.duration
        if report.failed:
            self.failed.add(function_of(report.nodeid))


def function_of(nodeid: str) -> str:
    """The test without its parameters, which may be texts that no command line takes back."""
    return nodeid.partition("[")[0]


def measure(reach_file: Path) -> int:
    """Every test runs once, unmutated: what fails here may judge no mutant.

    Nearest is the test that reaches most of a file in the least time.
    """
    files = list(paths())
    cover = coverage.Coverage(
        data_file=None, concurrency=["greenlet", "thread"], include=files, config_file=False
    )
    plugin = Measuring(cover)
    with cover.collect():
        pytest.main([*QUIET, *TESTS], plugins=[plugin])
    reach = {}
    for path in files:
        lines = cover.get_data().contexts_by_lineno(str(ROOT / path))
        breadth = Counter(test for tests in lines.values() for test in tests)
        nearness = {t: breadth[t] / (0.3 + plugin.seconds[t]) for t in breadth if t}
        able = nearness.keys() - plugin.failed
        reach[path] = {
            line: sorted(able.intersection(tests), key=nearness.__getitem__, reverse=True)
            for line, tests in lines.items()
        }
    screen.print(f"{len(plugin.seconds)} tests in {sum(plugin.seconds.values()):.0f} s")
    screen.print("failed unmutated:", *sorted(plugin.failed))
    reach_file.write_text(json.dumps(reach))
    return 0


def run(
    mutants: Sequence[Mutant], reach: Reach, living: Living, workers: int, folder: Path
) -> Iterator[tuple[Mutant, str]]:
    """Each mutant with its verdict, in no order. A test that hangs fails by its own time limit."""
    waiting = list(enumerate(mutants))
    running: dict[int, tuple[Path, Mutant]] = {}
    while waiting or running:
        while waiting and len(running) < workers:
            number, mutant = waiting.pop()
            tests, log = nearest(mutant, reach), folder / f"{number}.log"
            pid = fork(lambda mutant=mutant, tests=tests: attempt(mutant, tests, living), log)
            running[pid] = log, mutant
        pid, status = os.wait()
        if pid in running:
            log, mutant = running.pop(pid)
            verdict = verdict_of(os.waitstatus_to_exitcode(status), log.read_text())
            screen.print(verdict.ljust(8), mutant.where, mutant.change)
            yield mutant, verdict


def nearest(mutant: Mutant, reach: Reach) -> list[str]:
    lines = reach[mutant.path]
    tests = dict.fromkeys(test for line in mutant.lines for test in lines.get(str(line), ()))
    return list(tests)[:NEAREST]


def fork(work: Callable[[], int], log: Path) -> int:
    """Do it in a child that has all modules, and says into the log what it says."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    code = BROKEN
    try:
        out = os.open(log, os.O_WRONLY | os.O_CREAT)
        os.dup2(out, 1)
        os.dup2(out, 2)
        code = work()
    finally:
        sys.stdout.flush()
        os._exit(code)


def attempt(mutant: Mutant, tests: list[str], living: Living) -> int:
    """Run the tests with the mutant's code in the living function, whoever holds that: a route, a
    table, a subclass."""
    if not tests:
        return 0
    changed = {key(code): code for code in codes(compile(mutant.source, mutant.file, "exec"))}
    (place,) = (at for at, code in changed.items() if mutant.is_in(code) and at in living)
    for function in living[place]:
        function.__code__ = changed[place]
    return int(pytest.main([*QUIET, "-x", "--tb=line", *tests]))


def functions() -> Living:
    """Every function that there is, by where its code begins."""
    found: Living = defaultdict(list)
    for thing in gc.get_objects():
        if isinstance(thing, FunctionType):
            found[key(thing.__code__)].append(thing)
    return found


def key(code: CodeType) -> tuple[str, int]:
    return code.co_filename, code.co_firstlineno


def codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from codes(constant)


def verdict_of(code: int, log: str) -> str:
    if code == 0:
        return "survived"
    return "killed" if code == 1 and re.search("^(FAILED|ERROR) ", log, re.M) else "broken"


def write(seed: int, verdicts: list[tuple[Mutant, str]]) -> None:
    modules: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for mutant, verdict in verdicts:
        modules[mutant.path][verdict] += 1
    every = sum(modules.values(), Counter())
    told = {
        "score": score(every), **every, "seed": seed, "commit": commit(), "machine": machine(),
        "modules": {path: {"score": score(n), **n} for path, n in sorted(modules.items())},
        "survivors": [
            f"{m.path}:{m.lines.start} {m.function}: {m.change}"
            for m, verdict in verdicts if verdict != "killed"
        ],
    }  # fmt: skip
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(json.dumps(told, indent=1) + "\n")
    screen.print(told["score"], dict(every))


def score(verdicts: Counter[str]) -> float:
    return round(verdicts["killed"] / verdicts.total(), 3)


if __name__ == "__main__":
    sys.exit(main())
