"""Which printers this host can see, each as the URL that opens it, and where it could not look.

Looking changes nothing: a printer on the network is asked for its name only after it has answered
a status question, for other machines would print the question.
"""

import ipaddress
import os
import re
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from printer import status
from printer.errors import BadAddress, Busy, PrinterError, TransportError
from printer.profiles import profile
from printer.status import State
from printer.transports import usb
from printer.transports.cups import run
from printer.transports.network import Network

_CONNECT_S = 0.7
_ANSWER_S = 0.5
_COMMAND_S = 5.0
_AT_ONCE = 64
MAX_HOSTS = 1024
MODEL = b"\x1dIC"  # GS I 67


@dataclass(frozen=True, slots=True)
class Found:
    """A printer: how it is opened, and what it, its driver or its queue says of it."""

    url: str
    says: str


@dataclass(frozen=True, slots=True)
class Unseen:
    """A place that could not be looked at, and why."""

    place: str
    why: str


@dataclass(frozen=True, slots=True)
class Discovery:
    """What was found, and what may have been missed."""

    found: list[Found]
    unseen: list[Unseen]


def discover(network: str | None = None) -> Discovery:
    """Look at USB, serial lines, paired Bluetooth devices, CUPS, and hosts of `network`.

    `network` is as "192.168.1.0/24", of at most `MAX_HOSTS` addresses, else `BadAddress`.
    """
    places: dict[str, Callable[[], list[Found]]] = {
        "USB by usblp": _usblp,
        "USB by pyusb": _pyusb,
        "serial lines": _serial,
        "paired Bluetooth devices": _bluetooth,
        "CUPS queues": _cups,
    }
    if network is not None:
        hosts = _hosts(network)
        places[f"network {network}"] = lambda: _network(hosts)
    found, unseen = [], []
    for place, look in places.items():
        try:
            found += look()
        except (PrinterError, OSError, subprocess.TimeoutExpired) as error:
            unseen.append(Unseen(place, str(error)))
    if network is None:
        unseen.append(Unseen("network", "not asked to: --network 192.168.1.0/24"))
    unseen.append(Unseen("Bluetooth Low Energy", "not searched: name a printer as ble://ADDRESS"))
    return Discovery(found, unseen)


def _usblp() -> list[Found]:
    found = []
    for identity, device in usb.served():
        about = (usb.USBLP / device.name / "device").resolve().parent
        name = f"{usb.told(about / 'manufacturer')} {usb.told(about / 'product')}".strip()
        allowed = os.access(device, os.R_OK | os.W_OK)
        found.append(
            Found(identity.url, f"{name} at {device}{'' if allowed else ', not permitted'}")
        )
    return found


def _pyusb() -> list[Found]:
    served = {identity.path for identity, _ in usb.served()}
    found = []
    for device in usb.plugged():
        identity = usb.identify(device)
        if identity.path not in served and _prints(device):
            found.append(Found(identity.url, "USB printer that usblp does not serve"))
    return found


def _prints(device: Any) -> bool:
    try:
        interfaces = [interface for configuration in device for interface in configuration]
    except OSError:  # USBError
        return False
    return any(interface.bInterfaceClass == usb.PRINTER_CLASS for interface in interfaces)


def _serial() -> list[Found]:
    try:
        from serial.tools import list_ports
    except ModuleNotFoundError:
        raise TransportError("pyserial is missing, pip install 'karcis[serial]'") from None
    lasting = {link.resolve(): link for link in Path("/dev/serial/by-id").glob("*")}
    return [
        Found(f"serial://{lasting.get(Path(port.device), port.device)}", port.description)
        for port in list_ports.comports()
        if port.hwid != "n/a"  # a line of the board that nothing is known to be on
    ]


def _bluetooth() -> list[Found]:
    try:
        said = subprocess.run(
            ["bluetoothctl", "devices", "Paired"],  # noqa: S607 - wherever the system has it
            capture_output=True,
            text=True,
            timeout=_COMMAND_S,
            check=False,
        )
    except FileNotFoundError:
        raise TransportError("the command bluetoothctl is missing: apt install bluez") from None
    if said.returncode != 0:
        raise TransportError(said.stderr.strip() or "bluetoothctl failed")
    devices = re.findall(r"^Device ((?:[0-9A-F]{2}:){5}[0-9A-F]{2}) (.*)$", said.stdout, re.M)
    return [Found(f"bt://{mac}", f"paired as {name}") for mac, name in devices]


def _cups() -> list[Found]:
    said = run(["lpstat", "-v"], _COMMAND_S)
    if said.returncode != 0:
        raise TransportError(said.stderr.strip() or "lpstat failed")
    queues = re.findall(r"^device for ([^:]+): (.*)$", said.stdout, re.M)
    return [Found(f"cups://{name}", f"CUPS queue to {device}") for name, device in queues]


def _hosts(network: str) -> list[str]:
    try:
        hosts = ipaddress.ip_network(network, strict=False)
    except ValueError as error:
        raise BadAddress(str(error)) from None
    if hosts.num_addresses > MAX_HOSTS:
        raise BadAddress(f"{network} has {hosts.num_addresses} addresses, at most {MAX_HOSTS}")
    return [str(host) for host in hosts.hosts()]


def _network(hosts: list[str], port: int = 9100) -> list[Found]:
    with ThreadPoolExecutor(_AT_ONCE) as lookers:
        looked = lookers.map(lambda host: _host(host, port), hosts)
    return [found for found in looked if found]


def _host(host: str, port: int) -> Found | None:
    network = Network(host, port)
    url = f"tcp://{host}:{port}"
    try:
        network.open(_CONNECT_S)
    except Busy:
        return Found(url, "in use by another program of this host")
    except TransportError:
        return None
    try:
        return Found(url, _introduction(network))
    except TransportError:
        return Found(url, "listens, and hung up when asked")
    finally:
        network.close(linger_s=0.1)


def _introduction(network: Network) -> str:
    state = status.query(network, profile("generic-80"), _ANSWER_S)
    if state is State.UNKNOWN:
        return "listens, and does not speak ESC/POS"
    told = status.answer(network, MODEL, "escpos", "text", time.monotonic() + _ANSWER_S)
    return f"{told.data.decode() if told and told.data else 'model not told'}, {state}"
