import array
import errno
import os
import pty
import sys
import time
import tty
from types import SimpleNamespace

import pytest

from printer import Busy, Lost, NotInstalled, NotSent, Partial
from printer.transports import usb
from printer.transports.usb import Identity, Usb

pytest.importorskip("usb.core")

from usb.backend import IBackend
from usb.core import USBError, USBTimeoutError

EPSON = Identity(0x04B8, 0x0E15)
GONE = -1


@pytest.fixture
def sysfs(tmp_path, monkeypatch):
    """Plug printers in as usblp shows them, each on a pty; the printer's end comes back."""
    (tmp_path / "class").mkdir()
    (tmp_path / "dev").mkdir()
    monkeypatch.setattr(usb, "USBLP", tmp_path / "class")
    monkeypatch.setattr(usb, "DEVICES", tmp_path / "dev")
    open_fds = []

    def plug(name, bus_path, serial):
        device = tmp_path / "devices" / bus_path
        interface = device / f"{bus_path}:1.0"
        interface.mkdir(parents=True)
        (device / "idVendor").write_text("04b8\n")
        (device / "idProduct").write_text("0e15\n")
        if serial:
            (device / "serial").write_text(serial + "\n")
        (tmp_path / "class" / name).mkdir()
        (tmp_path / "class" / name / "device").symlink_to(interface)
        ours, theirs = pty.openpty()
        tty.setraw(theirs)
        open_fds.extend((ours, theirs))
        (tmp_path / "dev" / name).symlink_to(os.ttyname(theirs))
        return ours

    yield plug
    for fd in open_fds:
        os.close(fd)


def unplug(tmp_path, name):
    (tmp_path / "class" / name / "device").unlink()
    (tmp_path / "class" / name).rmdir()
    (tmp_path / "dev" / name).unlink()


def test_a_printer_replugged_under_another_number_is_found_by_its_serial_number(sysfs, tmp_path):
    wanted = Usb(Identity(0x04B8, 0x0E15, "J1"))
    first = sysfs("lp0", "1-1", "J1")
    wanted.open(30)
    wanted.write(b"satu", 30)
    assert os.read(first, 10) == b"satu"
    assert wanted.answers
    os.write(first, b"\x16")
    assert wanted.read(1, 30) == b"\x16"
    wanted.close()
    unplug(tmp_path, "lp0")
    sysfs("lp0", "1-2", "J2")
    second = sysfs("lp1", "1-3", "J1")
    wanted.open(30)
    wanted.write(b"dua", 30)
    wanted.close()
    assert os.read(second, 10) == b"dua"


def test_without_serial_numbers_the_bus_path_tells_two_apart(sysfs):
    sysfs("lp0", "1-1", "")
    second = sysfs("lp1", "1-1.2", "")
    by_path = Usb(Identity(0x04B8, 0x0E15, path="1-1.2"))
    by_path.open(30)
    by_path.write(b"x", 30)
    by_path.close()
    assert os.read(second, 10) == b"x"


def test_of_two_that_fit_none_is_guessed(sysfs):
    sysfs("lp0", "1-1", "A")
    sysfs("lp1", "1-2", "B")
    with pytest.raises(NotSent, match="2 printers"):
        Usb(EPSON).open(30)


class Bus(IBackend):
    """A USB bus with one printer on it, as pyusb's backends describe one.

    `takes` is what the printer takes of each transfer before it times out; None means nothing, and
    `GONE` that it was unplugged.
    """

    def __init__(self, takes=(), claim_error=None):
        super().__init__()
        self.takes = list(takes)
        self.claim_error = claim_error
        self.arrived = bytearray()
        self.replies = []
        self.timeouts = []

    def enumerate_devices(self):
        return ["printer"]

    def get_device_descriptor(self, dev):
        numbers = dict.fromkeys(
            [
                "bLength",
                "bDescriptorType",
                "bcdUSB",
                "bDeviceClass",
                "bDeviceSubClass",
                "bDeviceProtocol",
                "bMaxPacketSize0",
                "bcdDevice",
                "iManufacturer",
                "iProduct",
            ],
            0,
        )
        return SimpleNamespace(
            **numbers,
            idVendor=0x04B8,
            idProduct=0x0E15,
            iSerialNumber=3,
            bNumConfigurations=1,
            bus=1,
            address=4,
            port_number=2,
            port_numbers=(2,),
            speed=3,
        )

    def get_configuration_descriptor(self, dev, config):
        numbers = dict.fromkeys(["iConfiguration", "bmAttributes", "bMaxPower"], 0)
        return SimpleNamespace(
            **numbers,
            bLength=9,
            bDescriptorType=2,
            wTotalLength=32,
            bNumInterfaces=1,
            bConfigurationValue=1,
            extra_descriptors=[],
        )

    def get_interface_descriptor(self, dev, intf, alt, config):
        if intf or alt:
            raise IndexError
        return SimpleNamespace(
            bLength=9,
            bDescriptorType=4,
            bInterfaceNumber=0,
            bAlternateSetting=0,
            bNumEndpoints=2,
            bInterfaceClass=7,
            bInterfaceSubClass=1,
            bInterfaceProtocol=2,
            iInterface=0,
            extra_descriptors=[],
        )

    def get_endpoint_descriptor(self, dev, ep, intf, alt, config):
        return SimpleNamespace(
            bLength=7,
            bDescriptorType=5,
            bEndpointAddress=(0x01, 0x82)[ep],
            bmAttributes=2,
            wMaxPacketSize=64,
            bInterval=0,
            bRefresh=0,
            bSynchAddress=0,
            extra_descriptors=[],
        )

    def open_device(self, dev):
        return dev

    def close_device(self, handle):
        pass

    def get_configuration(self, handle):
        return 1

    def claim_interface(self, handle, intf):
        if self.claim_error:
            raise USBError("refused", errno=self.claim_error)

    def release_interface(self, handle, intf):
        pass

    def ctrl_transfer(self, handle, kind, request, value, index, data, timeout):
        if kind == 0x80:  # GET_DESCRIPTOR of a string
            text = b"\x09\x04" if value & 0xFF == 0 else "J1".encode("utf-16-le")
            answer = bytes([len(text) + 2, 3]) + text
        else:
            assert (kind, request) == (0xA1, 1)
            answer = b"\x38"
        data[: len(answer)] = array.array("B", answer)
        return len(answer)

    def bulk_write(self, handle, ep, intf, data, timeout):
        self.timeouts.append(timeout)
        took = self.takes.pop(0) if self.takes else len(data)
        if took is None:
            time.sleep(timeout / 1000)
            raise USBTimeoutError("timed out", errno=errno.ETIMEDOUT)
        if took == GONE:
            raise USBError("gone", errno=errno.ENODEV)
        self.arrived += data.tobytes()[:took]
        return min(took, len(data))

    def bulk_read(self, handle, ep, intf, buffer, timeout):
        self.timeouts.append(timeout)
        if not self.replies:
            time.sleep(timeout / 1000)
            raise USBTimeoutError("timed out", errno=errno.ETIMEDOUT)
        reply = self.replies.pop(0)
        buffer[: len(reply)] = array.array("B", reply)
        return len(reply)


@pytest.fixture
def no_usblp(tmp_path, monkeypatch):
    monkeypatch.setattr(usb, "USBLP", tmp_path)


@pytest.mark.usefixtures("no_usblp")
class TestWithoutUsblp:
    def opened(self, bus, wanted=EPSON):
        printer = Usb(wanted, backend=bus)
        printer.open(30)
        return printer

    def test_bytes_replies_and_port_status(self):
        bus = Bus()
        printer = self.opened(bus, Identity(0x04B8, 0x0E15, "J1"))
        printer.write(b"x" * 10_000, 30)
        assert bus.arrived == b"x" * 10_000
        bus.replies.append(b"\x12\x16")
        assert (printer.read(1, 30), printer.read(5, 30)) == (b"\x12", b"\x16")
        assert printer.port_status() == 0x38
        assert printer.read(1, 0.1) == b""
        assert 0 not in bus.timeouts  # which would be for ever
        printer.close()

    def test_a_write_that_a_timeout_cut_short_goes_on_where_it_stopped(self):
        bus = Bus(takes=[100, 50])
        data = os.urandom(9000)
        printer = self.opened(bus)
        printer.write(data, 30)
        assert bus.arrived == data
        printer.close()

    def test_a_printer_that_stops_taking_is_partial_with_its_count(self):
        bus = Bus(takes=[4096, 100, *[None] * 50])
        printer = self.opened(bus)
        with pytest.raises(Partial) as caught:
            printer.write(b"x" * 10_000, 0.2)
        assert caught.value.sent == 4196 == len(bus.arrived)
        bus.takes = [None] * 50
        with pytest.raises(NotSent):
            printer.write(b"x", 0.1)
        printer.close()

    @pytest.mark.parametrize(("takes", "sent"), [([GONE], 4096), ([4096, GONE], 8192)])
    def test_unplugged_while_writing_is_lost_with_all_that_may_have_left(self, takes, sent):
        """Also in the first piece: sent again as if nothing had left, it would be a second slip."""
        printer = self.opened(Bus(takes=takes))
        with pytest.raises(Lost) as caught:
            printer.write(b"x" * 10_000, 30)
        assert caught.value.sent == sent
        printer.close()

    def test_a_bus_that_cannot_be_looked_at_is_not_sent(self):
        class Denied(Bus):
            def enumerate_devices(self):
                raise USBError("no permission", errno=errno.EACCES)

        with pytest.raises(NotSent, match="no permission"):
            self.opened(Denied())

    @pytest.mark.parametrize(
        ("wanted", "claim_error", "error"),
        [
            (Identity(0x04B8, 1), None, NotSent),
            (Identity(0x04B8, 0x0E15, "J2"), None, NotSent),
            (EPSON, errno.EBUSY, Busy),
            (EPSON, errno.EACCES, NotSent),
        ],
    )
    def test_what_cannot_be_had_is_not_sent(self, wanted, claim_error, error):
        with pytest.raises(error):
            self.opened(Bus(claim_error=claim_error), wanted)

    def test_without_pyusb_the_extra_is_named(self, monkeypatch):
        for name in ("usb", "usb.core", "usb.util"):
            monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(NotInstalled, match=r"karcis\[usb\]"):
            Usb(EPSON).open(30)
