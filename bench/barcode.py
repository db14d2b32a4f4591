"""Barcode pictures per second: the hot path's zxing-cpp against `qrcode` with Pillow."""

import io
import time
from collections.abc import Callable

import qrcode

from bench.figure import Figure, compare
from server.payments import barcodes

PAYLOAD = (
    "00020101021226690017ID.CO.SANDBOX.WWW01189360099900000000170215KARCIS0000000010303URE"
    "51440014ID.CO.QRIS.WWW0215ID99260000000170303URE520475235303360540420005802ID5919PARKIR KOTIM"
    " SAMPEL6006SAMPIT61057431262310120202611220000000000"
)
SECONDS = 1.5


def _with_qrcode(text: str) -> bytes:
    symbol = qrcode.QRCode(
        error_correction=qrcode.constants.ERROR_CORRECT_M, box_size=barcodes.MODULE_PX
    )
    symbol.add_data(text)
    out = io.BytesIO()
    symbol.make_image().save(out)
    return out.getvalue()


def _per_second(draw: Callable[[str], bytes]) -> float:
    draw(PAYLOAD)
    started, count = time.process_time(), 0
    while time.process_time() - started < SECONDS:
        draw(f"{PAYLOAD}{count:08d}")
        count += 1
    return count / (time.process_time() - started)


def measure() -> list[Figure]:
    return [
        compare(
            "barcode",
            "pictures/s",
            lambda: _per_second(barcodes.png.__wrapped__),
            "qrcode + pillow",
            lambda: _per_second(_with_qrcode),
            rounds=5,
            note="One thread, CPU time, PNG of a 240-character payload at EC M, 8 px a module.",
        )
    ]
