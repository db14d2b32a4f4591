"""USB printers by vendor and product, found again by serial number or bus path after replugging.

Linux' usblp is used where it serves the printer; pyusb only where it does not, and then nothing is
detached and nothing reset: both have lost printers for good.
"""

import contextlib
import errno
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from printer.errors import Busy, Lost, NotInstalled, NotSent, Partial, TransportError
from printer.transports.device import File
from printer.transports.way import Indirect, Transport

USBLP = Path("/sys/class/usbmisc")
DEVICES = Path("/dev/usb")
PRINTER_CLASS = 7
_PIECE_BYTES = 4096
_READ_BYTES = 64


@dataclass(frozen=True, slots=True)
class Identity:
    """Which USB printer. An empty `serial` or `path` (as "1-1.2") matches any.

    Cheap printers have no serial number; the bus path then tells two of them apart.
    """

    vendor: int
    product: int
    serial: str = ""
    path: str = ""

    def matches(self, wanted: "Identity") -> bool:
        """True if this printer is one that `wanted` describes."""
        return (
            (self.vendor, self.product) == (wanted.vendor, wanted.product)
            and wanted.serial in ("", self.serial)
            and wanted.path in ("", self.path)
        )

    @property
    def url(self) -> str:
        """What opens this very printer again."""
        kind = f"usb://{self.vendor:04x}:{self.product:04x}"
        if self.serial:
            return f"{kind}?serial={quote(self.serial)}"
        return f"{kind}?path={self.path}" if self.path else kind


class Usb(Indirect):
    """The printer `wanted`, by usblp or by pyusb."""

    def __init__(self, wanted: Identity, *, backend: Any = None) -> None:
        self._wanted = wanted
        self._backend = backend

    def _find(self) -> Transport:
        fitting = [device for seen, device in served() if seen.matches(self._wanted)]
        _only(fitting, self._wanted)
        return File(fitting[0]) if fitting else _Raw(self._wanted, self._backend)


def served() -> list[tuple[Identity, Path]]:
    """The printers usblp serves, each with its device file, as sysfs tells them."""
    found = []
    for entry in sorted(USBLP.glob("lp*")):
        interface = (entry / "device").resolve()
        device = interface.parent
        try:
            vendor, product = (
                int((device / name).read_text(), 16) for name in ("idVendor", "idProduct")
            )
        except (OSError, ValueError):
            continue
        identity = Identity(vendor, product, told(device / "serial"), device.name)
        found.append((identity, DEVICES / entry.name))
    return found


def told(file: Path) -> str:
    """The line that sysfs keeps in that file; empty if it has none."""
    try:
        return file.read_text(errors="replace").strip()
    except OSError:
        return ""


class _Raw(Transport):
    """A printer that usblp does not serve, by pyusb (milliseconds, and partial counts)."""

    def __init__(self, wanted: Identity, backend: Any) -> None:
        self._wanted = wanted
        self._given = backend
        self.address = wanted.url
        self._device: Any = None
        self._heard = bytearray()

    def _connect(self, deadline_s: float) -> None:
        self._library = library = pyusb()
        self._heard.clear()
        try:
            devices = list(plugged(self._given))
            found = [device for device in devices if identify(device).matches(self._wanted)]
            if not found:
                raise NotSent(f"no USB printer {self._wanted.url} is plugged in")
            _only(found, self._wanted)
            self._claim_interface(found[0])
        except library.core.USBError as error:
            kind = Busy if error.errno == errno.EBUSY else NotSent
            raise kind(f"cannot open {self._wanted.url}: {error.strerror}") from None

    def _claim_interface(self, device: Any) -> None:
        util = self._library.util
        for interface in (at for configuration in device for at in configuration):
            ends = {util.endpoint_direction(end.bEndpointAddress): end for end in interface}
            if interface.bInterfaceClass == PRINTER_CLASS and util.ENDPOINT_OUT in ends:
                util.claim_interface(device, interface.bInterfaceNumber)
                self._device, self._number = device, interface.bInterfaceNumber
                self._out, self._in = ends[util.ENDPOINT_OUT], ends.get(util.ENDPOINT_IN)
                self.answers = self._in is not None
                return
        raise NotSent(f"{self._wanted.url} has no printer interface")

    def write(self, data: bytes, deadline_s: float) -> None:
        self._opened()
        end, sent = time.monotonic() + deadline_s, 0
        while sent < len(data):
            piece = data[sent : sent + _PIECE_BYTES]
            try:
                # What a timeout cut short is a count, not an error: the loop goes on from there.
                sent += self._out.write(piece, _milliseconds(end - time.monotonic()))
            except self._library.core.USBTimeoutError:
                pass
            except self._library.core.USBError as error:
                # pyusb does not tell how much of the piece went out before, so all of it counts.
                raise Lost(f"the printer went away: {error}", sent + len(piece)) from None
            if sent < len(data) and time.monotonic() >= end:
                kind: type[TransportError] = Partial if sent else NotSent
                message = f"the printer took {sent} of {len(data)} bytes in {deadline_s:g} s"
                raise kind(message, sent)

    def read(self, size: int, deadline_s: float) -> bytes:
        self._opened()
        if self._in is None:
            return b""
        end = time.monotonic() + deadline_s
        while not self._heard:
            try:
                # Less than a packet asked for would be an overflow, so a packet it is.
                data = self._in.read(_READ_BYTES, _milliseconds(end - time.monotonic()))
                self._heard += bytes(data)
            except self._library.core.USBTimeoutError:
                pass
            except self._library.core.USBError as error:
                raise Lost(f"the printer went away: {error}") from None
            if not self._heard and time.monotonic() >= end:
                return b""
        data = bytes(self._heard[:size])
        del self._heard[:size]
        return data

    def port_status(self) -> int | None:
        try:
            answer = self._opened().ctrl_transfer(0xA1, 1, 0, self._number, 1, 500)
        except self._library.core.USBError:
            return None
        return int(answer[0]) if len(answer) else None

    def _disconnect(self, linger_s: float) -> None:
        device, self._device = self._device, None
        if device is not None:
            self._library.util.dispose_resources(device)

    def _opened(self) -> Any:
        if self._device is None:
            raise NotSent("the printer is not open")
        return self._device


def pyusb() -> Any:
    """The library, loaded when first needed. Raises `NotInstalled`."""
    try:
        import usb.core
        import usb.util
    except ModuleNotFoundError:
        raise NotInstalled("USB printers without usblp", "pyusb", "usb") from None
    return usb


def plugged(backend: Any = None) -> Iterator[Any]:
    """The devices on the bus, as pyusb has them. Raises `NotInstalled`."""
    core = pyusb().core
    if backend is None:
        with contextlib.suppress(ModuleNotFoundError):
            import libusb_package

            backend = libusb_package.get_libusb1_backend()
    try:
        yield from core.find(find_all=True, backend=backend)
    except core.NoBackendError:
        raise NotInstalled("USB printers without usblp", "libusb", "usb") from None


def identify(device: Any) -> Identity:
    """Who a device of pyusb is; its serial number is empty where we may not open it."""
    try:
        serial = device.serial_number or ""
    except (OSError, ValueError):  # USBError; no right to read strings
        serial = ""
    path = f"{device.bus}-{'.'.join(str(port) for port in device.port_numbers or ())}"
    return Identity(device.idVendor, device.idProduct, serial, path)


def _only(found: list[Any], wanted: Identity) -> None:
    if len(found) > 1:
        raise NotSent(f"{len(found)} printers are {wanted.url}: add ?serial= or ?path= to choose")


def _milliseconds(left_s: float) -> int:
    return max(1, int(left_s * 1000))  # 0 would mean to wait for ever
