import pytest

from printer import BadAddress, File, Memory, Network, from_url
from printer.transports.ble import Ble
from printer.transports.bluetooth import Bluetooth
from printer.transports.cups import Cups
from printer.transports.rawbt import RawBt
from printer.transports.serial import Serial
from printer.transports.usb import Identity, Usb

MAC = "AA:BB:CC:DD:EE:FF"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "printer",
        "http://printer:9100",
        "tcp://",
        "tcp://printer:99999",
        "tcp://printer:0",
        "tcp://printer/path",
        "tcp://[::1",
        "file://host/dev/usb/lp0",
        "file:lp0",
        "/dev/usb/lp0",
        "usb://04b8",
        "usb://04b8:0e15?color=red",
        "usb://04b8:0e15?serial",
        "usb://4b8:e15",
        "serial://ttyUSB0",
        "serial:///dev/ttyUSB0?baud=fast",
        "serial:///dev/ttyUSB0?baud=0",
        "serial:///dev/ttyUSB0?flow=water",
        "bt://AA:BB:CC:DD:EE",
        "bt://AA:BB:CC:DD:EE:FF?channel=31",
        "ble://printer",
        "cups://",
        "cups://-o",
        "cups://kiosk/1",
        "rawbt://printer",
        "tcp://10.0.0.7#1",
    ],
)
def test_a_url_of_no_transport_is_a_bad_address(url):
    with pytest.raises(BadAddress):
        from_url(url)


def test_urls_name_their_transport(tmp_path):
    assert from_url("tcp://10.0.0.7").address == "tcp://10.0.0.7:9100"
    assert from_url("tcp://[::1]:9101").address == "tcp://::1:9101"
    assert from_url("file:///tmp/a%20b").address == "file:///tmp/a b"


@pytest.mark.parametrize(
    ("url", "kind", "address"),
    [
        ("tcp://10.0.0.7", Network, "tcp://10.0.0.7:9100"),
        ("file:///dev/usb/lp0", File, "file:///dev/usb/lp0"),
        ("usb://04b8:0e15?serial=X1", Usb, ""),
        ("serial:///dev/ttyUSB0?baud=19200&flow=rtscts", Serial, "serial:///dev/ttyUSB0"),
        ("bt://aa:bb:cc:dd:ee:ff", Bluetooth, f"bt://{MAC}"),
        (f"ble://{MAC}", Ble, f"ble://{MAC}"),
        ("cups://kiosk", Cups, ""),
        ("rawbt:", RawBt, ""),
    ],
)
def test_each_kind_has_its_url(url, kind, address):
    transport = from_url(url)
    assert isinstance(transport, kind)
    assert transport.address == address


def test_a_usb_printer_is_named_by_what_opens_it_again():
    for identity in (
        Identity(0x04B8, 0x0E15, "X 1/2"),
        Identity(0x0416, 0x5011, "", "1-1.2"),
        Identity(0x0416, 0x5011),
    ):
        opened = from_url(identity.url)
        assert isinstance(opened, Usb)
        assert opened._wanted == identity


def test_memory_keeps_what_was_written():
    memory = Memory()
    memory.open(30)
    memory.write(b"a", 30)
    memory.write(b"b", 30)
    assert memory.read(1, 30) == b""
    memory.close()
    assert memory.data == b"ab"
