import asyncio
import sys

import pytest

from printer import Lost, NotInstalled, NotSent, Partial
from printer.transports.ble import Ble

pytest.importorskip("bleak")

from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import BleakError

MAC = "AA:BB:CC:DD:EE:FF"
PRINTER = "000018f0-0000-1000-8000-00805f9b34fb"
BATTERY = "0000180f-0000-1000-8000-00805f9b34fb"


class Radio(BaseBleakClient):
    """A system's Bluetooth stack as bleak's backends are, with one printer in reach."""

    service = PRINTER
    properties = ("write-without-response",)
    chunk = 100
    stalls_after = None
    fault = None
    last: "Radio"

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        type(self).last = self
        self.pieces = []
        self.responses = set()
        self.connected = False

    @property
    def mtu_size(self):
        return self.chunk + 3

    @property
    def is_connected(self):
        return self.connected

    async def connect(self, pair, **named):
        if self.fault:
            raise self.fault
        self.services = BleakGATTServiceCollection()
        for handle, uuid in ((1, BATTERY), (10, self.service)):
            service = BleakGATTService(None, handle, uuid)
            self.services.add_service(service)
            for offset, properties in ((1, self.properties), (2, ("notify",))):
                made = BleakGATTCharacteristic(
                    None,
                    handle + offset,
                    f"0000{handle:02x}f{offset}-0000-1000-8000-00805f9b34fb",
                    list(properties),
                    lambda: self.chunk,
                    service,
                )
                self.services.add_characteristic(made)
        self.connected = True

    async def disconnect(self):
        self.connected = False

    async def write_gatt_char(self, characteristic, data, response):
        assert characteristic.handle == 11
        if self.stalls_after is not None and len(self.pieces) >= self.stalls_after:
            await asyncio.sleep(60)
        if not self.connected:
            raise BleakError("not connected")
        self.pieces.append(bytes(data))
        self.responses.add(response)

    async def start_notify(self, characteristic, callback, **named):
        assert characteristic.handle == 12
        self.notify = callback

    async def _unused(self, *arguments, **named):
        raise AssertionError("the transport does not pair, and reads no characteristic")

    pair = unpair = stop_notify = _unused
    read_gatt_char = read_gatt_descriptor = write_gatt_descriptor = _unused


def opened(**facts):
    printer = Ble(MAC, backend=type("Radio", (Radio,), facts))
    printer.open(30)
    return printer, printer._backend.last


def test_a_job_goes_in_pieces_the_connection_carries():
    printer, radio = opened()
    data = bytes(range(250))
    printer.write(data, 30)
    assert [len(piece) for piece in radio.pieces] == [100, 100, 50]
    assert b"".join(radio.pieces) == data
    assert radio.responses == {False}
    printer.close(linger_s=0)
    assert not radio.connected


def test_a_printer_that_must_confirm_each_piece_is_asked_to():
    printer, radio = opened(properties=("write",), chunk=5)
    printer.write(bytes(45), 30)
    assert [len(piece) for piece in radio.pieces] == [20, 20, 5]
    assert radio.responses == {True}
    printer.close(linger_s=0)


def test_what_the_printer_notifies_is_read_and_silence_keeps_the_deadline():
    printer, radio = opened()
    assert printer.read(1, 0.1) == b""
    radio.notify(bytearray(b"\x12\x16"))
    assert (printer.read(1, 30), printer.read(9, 30)) == (b"\x12", b"\x16")
    printer.close(linger_s=0)


def test_a_stall_is_partial_and_counts_the_piece_under_way():
    printer, _ = opened(stalls_after=2)
    with pytest.raises(Partial) as caught:
        printer.write(bytes(1000), 0.3)
    assert caught.value.sent == 300
    printer.close(linger_s=0)


def test_out_of_reach_is_lost():
    printer, radio = opened()
    radio.connected = False
    with pytest.raises(Lost):
        printer.write(b"x", 30)
    with pytest.raises(Lost):
        printer.read(1, 30)
    printer.close(linger_s=0)


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"fault": BleakError("not found")}, "not found"),
        ({"fault": RuntimeError("not allowed")}, "not allowed"),  # of the stack below bleak
        ({"service": BATTERY[:-1] + "c"}, "printer services"),
    ],
)
def test_what_is_no_printer_is_not_sent(facts, why):
    with pytest.raises(NotSent, match=why):
        opened(**facts)


def test_without_bleak_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "bleak", None)
    with pytest.raises(NotInstalled, match=r"karcis\[ble\]"):
        Ble(MAC).open(30)
