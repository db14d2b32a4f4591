"""Ways to carry bytes to a printer: one module a kind, each call with a deadline in seconds.

A stalled printer must not hang the caller, and an error must tell what left this host: `NotSent`
may be repeated, `Partial` and `Lost` may already be on paper. Kinds that need more than a socket
or a file are imported when first named, for a quick `import printer`.
"""

import re
from collections.abc import Callable
from typing import get_args
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from printer.errors import BadAddress
from printer.transports.device import File
from printer.transports.memory import Memory
from printer.transports.network import DEFAULT_PORT, Network
from printer.transports.way import Transport

__all__ = [
    "File",
    "Memory",
    "Network",
    "Transport",
    "from_url",
]

FORMS = {
    "tcp": "tcp://HOST[:PORT]",
    "file": "file:///PATH",
    "usb": "usb://VENDOR:PRODUCT[?serial=NUMBER | ?path=BUS-PORT]",
    "serial": "serial:///dev/ttyUSB0[?baud=9600&flow=none|rtscts|xonxoff|dsrdtr]",
    "bt": "bt://AA:BB:CC:DD:EE:FF[?channel=1]",
    "ble": "ble://AA:BB:CC:DD:EE:FF",
    "cups": "cups://QUEUE",
    "rawbt": "rawbt:",
}
_MAC = re.compile(r"([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}")
_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


def from_url(url: str) -> Transport:
    """The transport that `url` names (see `FORMS`), not yet open. Raises `BadAddress`."""
    form = FORMS.get(url.partition(":")[0])
    if form is None:
        raise BadAddress(f"{url!r} is none of: {', '.join(FORMS.values())}")
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
        transport = _KINDS[parts.scheme](parts, options)
    except (ValueError, KeyError):
        transport = None
    if transport is None or options or parts.fragment:
        raise BadAddress(f"{url!r} is not of the form {form}")
    return transport


def _network(parts: SplitResult, _: dict[str, str]) -> Transport | None:
    if not parts.hostname or parts.port == 0 or parts.path not in ("", "/"):
        return None
    return Network(parts.hostname, parts.port or DEFAULT_PORT)


def _file(parts: SplitResult, _: dict[str, str]) -> Transport | None:
    local = not parts.netloc and parts.path.startswith("/")
    return File(unquote(parts.path)) if local else None


def _usb(parts: SplitResult, options: dict[str, str]) -> Transport | None:
    from printer.transports.usb import Identity, Usb

    numbers = re.fullmatch(r"([0-9A-Fa-f]{4}):([0-9A-Fa-f]{4})", parts.netloc)
    if not numbers or parts.path:
        return None
    vendor, product = (int(number, 16) for number in numbers.groups())
    return Usb(Identity(vendor, product, options.pop("serial", ""), options.pop("path", "")))


def _serial(parts: SplitResult, options: dict[str, str]) -> Transport | None:
    from printer.transports.serial import DEFAULT_BAUD, Flow, Serial

    baud, flow = int(options.pop("baud", DEFAULT_BAUD)), options.pop("flow", "none")
    local = not parts.netloc and parts.path.startswith("/")
    if not local or baud <= 0 or flow not in get_args(Flow):
        return None
    return Serial(unquote(parts.path), baud, flow)  # type: ignore[arg-type]


def _bluetooth(parts: SplitResult, options: dict[str, str]) -> Transport | None:
    from printer.transports.bluetooth import DEFAULT_CHANNEL, Bluetooth

    channel = int(options.pop("channel", DEFAULT_CHANNEL))
    if not _MAC.fullmatch(parts.netloc) or parts.path or not 1 <= channel <= 30:
        return None
    return Bluetooth(parts.netloc, channel)


def _ble(parts: SplitResult, _: dict[str, str]) -> Transport | None:
    from printer.transports.ble import Ble

    named = _MAC.fullmatch(parts.netloc) or _UUID.fullmatch(parts.netloc)
    return Ble(parts.netloc) if named and not parts.path else None


def _cups(parts: SplitResult, _: dict[str, str]) -> Transport | None:
    from printer.transports.cups import Cups

    name = unquote(parts.netloc)
    # A leading dash would be an option of `lp`.
    return Cups(name) if re.fullmatch(r"[^\s/#-][^\s/#]*", name) and not parts.path else None


def _rawbt(parts: SplitResult, _: dict[str, str]) -> Transport | None:
    from printer.transports.rawbt import RawBt

    return None if parts.netloc or parts.path else RawBt()


_KINDS: dict[str, Callable[[SplitResult, dict[str, str]], Transport | None]] = {
    "tcp": _network,
    "file": _file,
    "usb": _usb,
    "serial": _serial,
    "bt": _bluetooth,
    "ble": _ble,
    "cups": _cups,
    "rawbt": _rawbt,
}
