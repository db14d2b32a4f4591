"""What install.sh puts on a Linux handheld, as far as a machine without systemd can tell."""

import configparser
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from attendant_app.settings import Settings
from tests.ports import free_port

CHECKOUT = Path(__file__).parents[2]
LINUX = CHECKOUT / "attendant_app/linux"
UNITS = ("karcis-handheld.service", "karcis-kiosk.service")
PAGE = f"http://127.0.0.1:{Settings.port}"


def install(root: Path | None, *arguments: str, **how: object) -> subprocess.CompletedProcess[str]:
    environment = os.environ | ({"DESTDIR": str(root)} if root else {})
    command = [str(LINUX / "install.sh"), "--no-packages", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, **how)


def tree(root: Path) -> dict[str, tuple[int, int, bytes]]:
    return {
        str(path.relative_to(root)): (
            path.stat().st_mode,
            path.stat().st_mtime_ns,
            path.read_bytes(),
        )
        for path in root.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("handheld")
    answer = install(root)
    assert answer.returncode == 0, answer.stderr
    return root


def unit(root: Path, name: str) -> configparser.RawConfigParser:
    """A unit file; of a key that is repeated the last stays."""
    text = (root / "etc/systemd/system" / name).read_text().replace("\\\n", " ")
    parsed = configparser.RawConfigParser(strict=False, delimiters="=", comment_prefixes="#")
    parsed.optionxform = str
    parsed.read_string(text)
    return parsed


def test_a_second_install_changes_nothing_and_keeps_the_settings(installed: Path) -> None:
    settings = installed / "etc/karcis/handheld.env"
    assert settings.stat().st_mode & 0o777 == 0o600
    settings.write_text("HANDHELD_SERVER_URL=https://parkir.invalid\n")
    before = tree(installed)
    answer = install(installed)
    assert answer.returncode == 0
    assert "nothing changed" in answer.stderr
    assert tree(installed) == before


def test_a_changed_unit_is_put_right_again(installed: Path) -> None:
    place = installed / "etc/systemd/system/karcis-kiosk.service"
    place.write_text("broken")
    assert "karcis-kiosk.service" in install(installed).stderr
    assert place.read_bytes() == (LINUX / "karcis-kiosk.service").read_bytes()


def test_a_dry_run_says_all_and_does_nothing(tmp_path: Path) -> None:
    answer = install(tmp_path, "--dry-run")
    assert answer.returncode == 0
    for name in UNITS:
        assert name in answer.stderr
    assert not list(tmp_path.iterdir())


def test_without_root_it_refuses_in_both_languages() -> None:
    nobody = {"user": 65534, "group": 65534, "extra_groups": []} if os.getuid() == 0 else {}
    answer = install(None, **nobody)
    assert answer.returncode == 1
    assert "harus dijalankan sebagai root" in answer.stderr
    assert "must be run as root" in answer.stderr


def test_an_unknown_word_is_refused(tmp_path: Path) -> None:
    assert install(tmp_path, "--uninstall").returncode == 2
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here")
def test_systemd_understands_the_units(installed: Path) -> None:
    """With the programs and groups that a handheld has and this machine may lack."""
    programs = ["opt/karcis/venv/bin/python", "usr/bin/cage", "usr/bin/chromium"]
    for program in map(installed.joinpath, programs):
        program.parent.mkdir(parents=True, exist_ok=True)
        if not program.exists():
            shutil.copy("/bin/true", program)
    command = ["systemd-analyze", "verify", f"--root={installed}", "--recursive-errors=no"]
    answer = subprocess.run([*command, *UNITS], capture_output=True, text=True)
    assert (answer.returncode, answer.stderr) == (0, "")


def test_every_udev_rule_is_matches_and_assignments(installed: Path) -> None:
    rules = installed / "etc/udev/rules.d/70-karcis.rules"
    key = r'[A-Z]+(\{[\w-]+\})?(==|!=|\+=|=)"[^"]*"'
    lines = [line for line in rules.read_text().splitlines() if line and line[0] != "#"]
    assert lines
    for line in lines:
        assert re.fullmatch(rf"{key}(, {key})*", line), line
    if shutil.which("udevadm"):
        answer = subprocess.run(["udevadm", "verify", str(rules)], capture_output=True, text=True)
        # Only systemd 254 and newer know the word.
        assert answer.returncode == 0 or "Unknown" in answer.stderr, answer.stderr


def test_camera_and_addresses_are_allowed_to_the_handhelds_page_alone(installed: Path) -> None:
    policy = json.loads((installed / "etc/chromium/policies/managed/karcis.json").read_text())
    assert policy["VideoCaptureAllowed"] is False
    assert policy["VideoCaptureAllowedUrls"] == policy["URLAllowlist"] == [PAGE]
    assert policy["URLBlocklist"] == ["*"]
    command = shlex.split(unit(installed, "karcis-kiosk.service")["Service"]["ExecStart"])
    assert command[:3] == ["/usr/bin/cage", "--", "/usr/bin/chromium"]
    assert command[-1] == f"{PAGE}/"


def test_the_browser_is_another_user_than_the_handheld(installed: Path) -> None:
    users = {unit(installed, name)["Service"]["User"] for name in UNITS}
    made = re.findall(r"^u (\S+)", (installed / "etc/sysusers.d/karcis.conf").read_text(), re.M)
    assert users == set(made)
    assert len(users) == 2


def test_the_service_tells_systemd_and_then_answers(installed: Path, tmp_path: Path) -> None:
    service = unit(installed, "karcis-handheld.service")["Service"]
    assert service["Type"] == "notify"
    program, *arguments = shlex.split(service["ExecStart"])
    assert program == "/opt/karcis/venv/bin/python"
    port = free_port()
    environment = os.environ | {
        "HANDHELD_PORT": str(port),
        "HANDHELD_DATA": str(tmp_path / "data"),
        "HANDHELD_SERVER_URL": "http://127.0.0.1:9",
        "HANDHELD_PRINTER_URL": "tcp://127.0.0.1:9",
        "NOTIFY_SOCKET": str(tmp_path / "notify"),
    }
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(environment["NOTIFY_SOCKET"])
        manager.settimeout(60)
        process = subprocess.Popen([sys.executable, *arguments], env=environment, cwd=CHECKOUT)
        try:
            assert manager.recv(100) == b"READY=1"
            page = httpx.get(f"http://127.0.0.1:{port}/", follow_redirects=True, timeout=60)
            assert page.status_code == 200
            assert "<form" in page.text
        finally:
            process.terminate()
            assert process.wait(60) == 0
