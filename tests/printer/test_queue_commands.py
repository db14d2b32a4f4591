import json
import signal
import subprocess
import sys
from functools import partial

import pytest
from typer.testing import CliRunner

import printer
from printer.cli import app
from printer.hardware import Faults
from printer.spooler import Spooler
from printer.virtual import running
from tests.printer.samples import NUMBER, RECEIPTS

KARCIS = str(RECEIPTS / "karcis.json")


@pytest.fixture
def queue(tmp_path):
    def run(*arguments):
        file = ("--file", str(tmp_path / "queue.sqlite"))
        result = CliRunner().invoke(app, ["queue", *map(str, arguments), *file])
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    return run


def test_a_slip_is_added_printed_once_and_told(queue, tmp_path):
    for _ in range(2):
        assert queue("add", KARCIS, "--key", NUMBER).exit_code == 0
    assert f"{NUMBER}#0  QUEUED     0 min  menunggu" in queue("list").stdout
    with running(printer.profile("generic-80"), tmp_path / "paper") as machine:
        to = ("--to", f"tcp://127.0.0.1:{machine.port}", "--profile", "generic-80")
        assert queue("print", *to).exit_code == 0
    assert len(list((tmp_path / "paper").glob("*.txt"))) == 1
    assert queue("list").stdout == ""
    assert f"{NUMBER}#0  PRINTED" in queue("list", "--all").stdout
    told = [json.loads(line)["state"] for line in queue("log", "--json").stdout.splitlines()]
    assert told == ["QUEUED", "SENDING", "PRINTED"]


@pytest.mark.parametrize("word", ["done", "retry"])
def test_a_person_decides_what_is_uncertain(queue, tmp_path, word):
    queue("add", KARCIS, "--key", NUMBER)
    with running(printer.profile("generic-80"), tmp_path / "paper", Faults(cut_at=300)) as machine:
        to = ("--to", f"tcp://127.0.0.1:{machine.port}", "--profile", "generic-80")
        assert queue("print", *to).exit_code == 1
        assert "UNCERTAIN  0 min  periksa kertasnya" in queue("list").stdout
        assert queue(word, NUMBER, "--who", "J-001").exit_code == 0
        assert queue("print", *to).exit_code == 0
    assert "J-001" in queue("log", NUMBER).stdout
    copies = [text for text in map(str.strip, queue("list", "--all").stdout.splitlines()) if text]
    assert len(copies) == (2 if word == "retry" else 1)
    papers = sorted((tmp_path / "paper").glob("*.txt"))
    assert ["SALINAN KE-1" in path.read_text() for path in papers] == [False, True][: len(papers)]


def test_what_is_not_there_is_told_in_a_sentence(queue, tmp_path):
    assert "No such queue" in queue("done", NUMBER, "--who", "J-001").stderr
    assert "No such queue" in queue("list").stderr
    assert not (tmp_path / "queue.sqlite").exists()
    queue("add", KARCIS, "--key", NUMBER)
    assert "not UNCERTAIN" in queue("done", NUMBER, "--who", "J-001").stderr
    assert "no slip 'X-1'" in queue("retry", "X-1", "--who", "J-001").stderr


def test_what_is_old_and_waits_for_nothing_is_forgotten(queue, tmp_path):
    queue("add", KARCIS, "--key", NUMBER)
    queue("add", KARCIS, "--key", "X-2")
    with Spooler.open(tmp_path / "queue.sqlite") as slips:
        slips.db.execute("UPDATE print_jobs SET changed_at = '2020-01-01T00:00:00.000Z'")
        slips.db.execute("UPDATE print_jobs SET state = 'PRINTED' WHERE key = 'X-2'")
    assert "1 slip" in queue("prune", "--days", 30).stderr
    assert NUMBER in queue("list", "--all").stdout
    assert "X-2" not in queue("log").stdout


def test_a_file_that_is_no_document_is_not_queued(queue, tmp_path):
    rubbish = tmp_path / "rubbish.json"
    rubbish.write_bytes(b"\xff\xfe\x00")
    result = queue("add", rubbish, "--key", NUMBER)
    assert (result.exit_code, "not JSON" in result.stderr) == (1, True)
    assert queue("list", "--all").stdout == ""


def test_why_it_waits_is_told_while_it_does(queue, tmp_path):
    """As a process, because Ctrl-C is what ends the waiting."""
    queue("add", KARCIS, "--key", NUMBER)
    file = ("--file", str(tmp_path / "queue.sqlite"))
    with running(printer.profile("generic-80"), tmp_path / "paper", Faults(paper_out=0)) as machine:
        to = ("--to", f"tcp://127.0.0.1:{machine.port}", "--profile", "generic-80")
        command = [sys.executable, "-m", "printer.cli", "queue", "print", *file, *to]
        with subprocess.Popen(
            command,
            stderr=subprocess.PIPE,
            text=True,
            # What was started in the background hands down that it ignores Ctrl-C.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        ) as process:
            assert f"{NUMBER}#0  QUEUED     0 min  menunggu giliran / waiting (paper-out)" in (
                process.stderr.readline()
            )
            process.send_signal(signal.SIGINT)
            _, rest = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "Traceback" not in rest
    assert "QUEUED" in queue("list").stdout, "nothing was sent, and nothing is lost"


@pytest.mark.parametrize(
    ("to", "profile"),
    [("printer", "generic-80"), ("tcp://127.0.0.1", "epson"), ("rawbt:", "generic-58")],
)
def test_a_wrong_address_or_profile_is_a_usage_error(queue, to, profile):
    queue("add", KARCIS, "--key", NUMBER)
    assert queue("print", "--to", to, "--profile", profile).exit_code == 2
