"""Bluetooth Low Energy printers, by bleak. Needs the extra `karcis[ble]`.

There is no standard printer service; these are the ones that cheap printers have in common. Each
holds a characteristic to write to and one that notifies, told apart by their properties.
"""

import asyncio
import time
from collections.abc import Coroutine
from typing import TYPE_CHECKING, TypeVar

from printer.errors import Lost, NotInstalled, NotSent, Partial, TransportError
from printer.transports.way import Transport

if TYPE_CHECKING:
    from bleak import BleakClient
    from bleak.backends.characteristic import BleakGATTCharacteristic
    from bleak.backends.client import BaseBleakClient

T = TypeVar("T")

SERVICES = (
    "000018f0-0000-1000-8000-00805f9b34fb",
    "49535343-fe7d-4ae5-8fa9-9fafd205e455",
    "e7810a71-73ae-499d-8c15-faa9aef0c3f2",
)
_MIN_CHUNK = 20  # what every connection carries
_WITHOUT_RESPONSE = "write-without-response"


class Ble(Transport):
    """The printer of that address (on macOS: of that identifier).

    Not for use within a running event loop: it runs one of its own during each call.
    """

    paced = True

    def __init__(self, mac: str, *, backend: "type[BaseBleakClient] | None" = None) -> None:
        self._mac = mac
        self.address = f"ble://{mac.upper()}"
        self._backend = backend
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: BleakClient | None = None
        self._heard = bytearray()

    def _connect(self, deadline_s: float) -> None:
        try:
            import bleak
        except ModuleNotFoundError:
            raise NotInstalled("Bluetooth Low Energy", "bleak", "ble") from None
        self._heard.clear()
        self._loop = asyncio.new_event_loop()
        try:
            self._client = bleak.BleakClient(self._mac, timeout=deadline_s, backend=self._backend)
            self._run(self._subscribe(self._client), deadline_s)
        except NotSent:
            self._disconnect(0)
            raise
        except Exception as error:  # bleak passes on what each system's stack raises
            self._disconnect(0)
            reason = "no answer in time" if isinstance(error, TimeoutError) else str(error)
            raise NotSent(f"cannot reach {self._mac}: {reason}") from None

    async def _subscribe(self, client: "BleakClient") -> None:
        await client.connect()
        self._target = self._characteristic(client, {"write", _WITHOUT_RESPONSE})
        listening = self._characteristic(client, {"notify", "indicate"})
        if self._target is None:
            raise NotSent(f"{self._mac} offers none of the known printer services")
        self.answers = listening is not None
        if listening is not None:
            await client.start_notify(listening, lambda _, data: self._heard.extend(data))

    def _characteristic(
        self, client: "BleakClient", wanted: set[str]
    ) -> "BleakGATTCharacteristic | None":
        for service in client.services:
            if service.uuid in SERVICES:
                for characteristic in service.characteristics:
                    if wanted & set(characteristic.properties):
                        return characteristic
        return None

    def write(self, data: bytes, deadline_s: float) -> None:
        """Hand the bytes to the Bluetooth stack, in pieces as large as the connection carries."""
        end = time.monotonic() + deadline_s
        client, target = self._connected(), self._target
        assert target is not None
        respond = _WITHOUT_RESPONSE not in target.properties
        size = max(_MIN_CHUNK, target.max_write_without_response_size)
        for start in range(0, len(data), size):
            piece = data[start : start + size]
            left = end - time.monotonic()
            if left <= 0:
                kind: type[TransportError] = Partial if start else NotSent
                message = f"the printer took {start} of {len(data)} bytes in {deadline_s:g} s"
                raise kind(message, start)
            try:
                self._run(client.write_gatt_char(target, piece, response=respond), left)
            except TimeoutError:
                # Nobody knows whether the piece went out, so it counts as sent.
                message = f"the printer took {start} of {len(data)} bytes in {deadline_s:g} s"
                raise Partial(message, start + len(piece)) from None
            except Exception as error:  # bleak passes on what each system's stack raises
                raise Lost(f"the printer went away: {error}", start + len(piece)) from None

    def read(self, size: int, deadline_s: float) -> bytes:
        """What the printer notified; `Lost` when the connection broke."""
        client = self._connected()
        end = time.monotonic() + deadline_s
        while True:
            self._run(asyncio.sleep(0.001), 1)
            if self._heard:
                data = bytes(self._heard[:size])
                del self._heard[:size]
                return data
            if not client.is_connected:
                raise Lost("the printer went away")
            if time.monotonic() >= end:
                return b""
            self._run(asyncio.sleep(min(0.01, end - time.monotonic())), 1)

    def _disconnect(self, linger_s: float) -> None:
        client, self._client = self._client, None
        loop, self._loop = self._loop, None
        if loop is None:
            return
        try:
            if client is not None and client.is_connected:
                loop.run_until_complete(asyncio.sleep(linger_s))
                loop.run_until_complete(asyncio.wait_for(client.disconnect(), 2))
        except Exception:  # noqa: S110 - going away is all that was wanted
            pass
        finally:
            loop.close()

    def _run(self, work: Coroutine[object, object, T], deadline_s: float) -> T:
        assert self._loop is not None
        return self._loop.run_until_complete(asyncio.wait_for(work, deadline_s))

    def _connected(self) -> "BleakClient":
        if self._client is None:
            raise NotSent(f"{self._mac} is not connected")
        return self._client
