"""`karcis run`: up, used by each of its users, and gone without a trace."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

from tests.ports import free_port


def start(data: Path, port: int) -> tuple[subprocess.Popen[str], dict[str, object]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "server", "run", "--port", str(port), "--data", str(data)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("ready "), line
    return process, json.loads(line.removeprefix("ready "))


def stop(process: subprocess.Popen[str]) -> int:
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=120)
    return process.returncode


def processes_of(data: Path) -> bytes:
    return subprocess.run(["pgrep", "-f", str(data)], capture_output=True, check=False).stdout


def test_run_survives_a_restart_and_leaves_nothing_behind(tmp_path: Path) -> None:
    port = free_port(4)
    process, facts = start(tmp_path, port)
    try:
        assert facts["server"] == f"http://127.0.0.1:{port}"
        assert facts["sandbox"] == f"http://127.0.0.1:{port + 1}"
        assert facts["handheld"] == f"http://127.0.0.1:{port + 2}"
        page = f"{facts['server']}/p/{facts['spot']}"
        assert httpx.get(page, trust_env=False, timeout=60).status_code == 200
        asked = httpx.post(
            f"{facts['server']}/v1/spots/{facts['spot']}/charges",
            json={"vehicle_class": "motorcycle"},
            trust_env=False,
            timeout=60,
        ).json()
    finally:
        assert stop(process) == 0
    assert processes_of(tmp_path) == b""

    process, facts = start(tmp_path, port)
    try:
        path = f"/v1/charges/{asked['id']}"
        kept = httpx.get(f"{facts['server']}{path}", trust_env=False, timeout=60).json()
        assert kept["qris"] == asked["qris"], "what was committed is there after a restart"
        taken = subprocess.run(
            [sys.executable, "-m", "server", "run", "--port", str(port), "--data", str(tmp_path)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert taken.returncode == 1
        assert f"port {port} is in use" in taken.stderr
    finally:
        assert stop(process) == 0
    assert processes_of(tmp_path) == b""


def test_a_part_that_is_killed_is_started_again(tmp_path: Path) -> None:
    port = free_port(4)
    process, facts = start(tmp_path, port)
    try:
        serving = subprocess.run(
            ["pgrep", "-P", str(process.pid), "-f", "server serve"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        os.kill(int(serving[0]), signal.SIGKILL)
        deadline = time.monotonic() + 120
        while answers(port):
            assert time.monotonic() < deadline
        while not answers(port):
            assert time.monotonic() < deadline, "the server is back"
            time.sleep(0.1)
        page = f"{facts['server']}/p/{facts['spot']}"
        assert httpx.get(page, trust_env=False, timeout=60).status_code == 200
    finally:
        assert stop(process) == 0


def test_after_a_kill_the_next_run_takes_over_and_still_stops_everything(tmp_path: Path) -> None:
    port = free_port(4)
    process, _ = start(tmp_path, port)
    process.kill()
    process.communicate(timeout=60)
    deadline = time.monotonic() + 120
    while any(map(answers, range(port, port + 4))):
        assert time.monotonic() < deadline, "children die with their parent"
        time.sleep(0.1)

    process, _ = start(tmp_path, port)
    assert stop(process) == 0
    assert processes_of(tmp_path) == b""


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
