import json
import os
import socket

import pytest
from typer.testing import CliRunner

import printer
from printer import BadAddress, discovery
from printer.cli import app
from printer.discovery import Found, discover
from printer.transports import usb
from printer.virtual import running

COMMANDS = {
    "lpstat": 'echo "device for kiosk: usb://EPSON/TM-T20"',
    "bluetoothctl": 'echo "Device AA:BB:CC:DD:EE:FF RPP02N"; echo "[CHG] Controller"',
}


@pytest.fixture(autouse=True)
def empty_host(tmp_path, monkeypatch):
    """No USB printer and no command; those of `COMMANDS` in `bin` may be put on the path."""
    monkeypatch.setattr(usb, "USBLP", tmp_path / "usbmisc")
    monkeypatch.setattr(usb, "DEVICES", tmp_path / "dev")
    (tmp_path / "bin").mkdir()
    for name, script in COMMANDS.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "dev"))


def test_queues_and_paired_devices_are_told_with_their_urls(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.defpath}")
    found = discover().found
    assert Found("cups://kiosk", "CUPS queue to usb://EPSON/TM-T20") in found
    assert Found("bt://AA:BB:CC:DD:EE:FF", "paired as RPP02N") in found
    for one in found:
        printer.from_url(one.url)


def test_where_it_could_not_look_it_says_why():
    why = {unseen.place: unseen.why for unseen in discover().unseen}
    assert "cups-client" in why["CUPS queues"]
    assert "bluez" in why["paired Bluetooth devices"]
    assert "--network" in why["network"]


def test_a_usb_printer_is_named_by_its_serial_number(tmp_path):
    interface = tmp_path / "devices" / "1-1" / "1-1:1.0"
    interface.mkdir(parents=True)
    about = {"idVendor": "04b8", "idProduct": "0e15", "serial": "J1", "product": "TM-T20"}
    for name, value in about.items():
        (interface.parent / name).write_text(value + "\n")
    (tmp_path / "usbmisc" / "lp3").mkdir(parents=True)
    (tmp_path / "usbmisc" / "lp3" / "device").symlink_to(interface)
    (found,) = (one for one in discover().found if one.url.startswith("usb:"))
    assert found.url == "usb://04b8:0e15?serial=J1"
    assert found.says.startswith("TM-T20 at ")
    assert found.says.endswith("lp3, not permitted")


@pytest.mark.parametrize(
    ("name", "says"), [("epson-tm-t20", "TM-T20, ready"), ("generic-80", "model not told, ready")]
)
def test_a_printer_on_the_network_says_what_it_is(tmp_path, name, says):
    with running(printer.profile(name), tmp_path / "out") as machine:
        (found,) = discovery._network(["127.0.0.1"], machine.port)
    assert found == Found(f"tcp://127.0.0.1:{machine.port}", says)
    assert list((tmp_path / "out").iterdir()) == []  # looking prints nothing


def test_what_does_not_answer_is_asked_nothing_it_could_print(peer):
    heard = bytearray()

    def laser(connection: socket.socket):
        while piece := connection.recv(100):
            heard.extend(piece)

    host, port = peer(laser)
    (found,) = discovery._network([host], port)
    assert found.says == "listens, and does not speak ESC/POS"
    assert heard == b"\x10\x04\x01"


def test_hosts_without_printer_are_none():
    assert discovery._network([f"127.0.0.{host}" for host in range(1, 120)], 9) == []


@pytest.mark.parametrize("network", ["10.0.0.0/8", "printer", "10.0.0.0/33"])
def test_a_network_too_large_or_none_is_refused(network):
    with pytest.raises(BadAddress):
        discover(network)


def test_the_command_tells_a_program_the_same(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.defpath}")
    told = CliRunner().invoke(app, ["discover", "--json"])
    assert told.exit_code == 0
    seen = json.loads(told.stdout)
    assert seen.keys() == {"found", "unseen"}
    assert {"url": "bt://AA:BB:CC:DD:EE:FF", "says": "paired as RPP02N"} in seen["found"]
    assert CliRunner().invoke(app, ["discover", "--network", "10.0.0.0/8"]).exit_code == 2
