import os

import pytest

from printer import Lost, NotSent, Result, profile, send
from printer.transports.cups import Cups

LPSTAT = """#!/bin/sh
case "$2" in
  kiosk) echo "printer kiosk is idle.  enabled since Mon";;
  stopped) echo "printer stopped disabled since Mon -"; echo "	Paused";;
  *) echo "lpstat: Invalid destination name" >&2; exit 1;;
esac
"""
LP = """#!/bin/sh
echo "$@" > {out}/arguments
cat > {out}/job
[ -e {out}/slow ] && exec sleep 10
[ -e {out}/full ] && {{ echo "lp: queue is not accepting jobs" >&2; exit 1; }}
echo "request id is kiosk-1"
"""


@pytest.fixture
def spool(tmp_path, monkeypatch):
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, script in (("lpstat", LPSTAT), ("lp", LP.format(out=tmp_path))):
        (commands / name).write_text(script)
        (commands / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
    return tmp_path


def test_a_job_goes_raw_to_its_queue_and_is_uncertain(spool):
    data = bytes(range(256))
    outcome = send(data, Cups("kiosk"), profile("generic-80"))
    assert (outcome.result, outcome.sent) == (Result.UNCERTAIN, 256)
    assert (spool / "arguments").read_text() == "-d kiosk -o raw\n"
    assert (spool / "job").read_bytes() == data  # no question that nobody would hear


@pytest.mark.parametrize(("name", "why"), [("stopped", "cupsenable"), ("other", "knows no queue")])
def test_a_queue_that_would_print_some_other_day_is_not_sent(spool, name, why):
    with pytest.raises(NotSent, match=why):
        Cups(name).open(30)


def test_a_refused_job_is_not_sent(spool):
    (spool / "full").touch()
    queue = Cups("kiosk")
    queue.open(30)
    with pytest.raises(NotSent, match="not accepting"):
        queue.write(b"x", 30)


def test_a_server_that_hangs_keeps_the_deadline_and_may_have_the_job(spool):
    (spool / "slow").touch()
    queue = Cups("kiosk")
    queue.open(30)
    with pytest.raises(Lost) as caught:
        queue.write(b"xyz", 0.3)
    assert caught.value.sent == 3


def test_without_cups_it_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotSent, match="lpstat of CUPS is missing"):
        Cups("kiosk").open(30)
