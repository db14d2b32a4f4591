"""Things the handheld's tests are made of: payloads, pictures, receipts, a tariff."""

import binascii
from typing import Any

import cv2
import numpy as np
import segno
from numpy.typing import NDArray

from domain.parking import spot_code
from domain.receipt import receipt_number
from qris import consumer

SPOT = spot_code("MTG", 12)
OTHER_SPOT = spot_code("MTG", 13)
MERCHANT = "PARKIR KAB CONTOH"
SITE = "https://parkir.contoh.go.id"

MASTER_DATA: dict[str, Any] = {
    "regency": {
        "name": "Kabupaten Contoh",
        "agency": "Dinas Perhubungan",
        "complaint": "Pengaduan: 0800-0000-000",
        "porporasi": "Porporasi elektronik No. 973/118/2026",
        "timezone": "Asia/Jakarta",
        "site": SITE,
    },
    "spots": [
        {
            "code": code,
            "place": "Jl. Merdeka Ruas 3",
            "zone": {"code": "MTG", "name": "Pasar Martapura"},
        }
        for code in (SPOT, OTHER_SPOT)
    ],
    "tariffs": [
        {
            "zone": "MTG",
            "version": {
                "regulation": "Perda 1/2024",
                "valid_from": "2020-01-01",
                "rates": {
                    "motorcycle": {"kind": "flat", "amount_rp": 2000},
                    "car": {"kind": "flat", "amount_rp": 5000},
                    "truck": {"kind": "hourly", "first_hour_rp": 10000, "next_hour_rp": 5000},
                },
            },
        }
    ],
    "vehicle_classes": ["motorcycle", "car", "truck"],
}


def qris_text(
    amount_rp: int = 2000, name: str = MERCHANT, bill: str = "A01", initiation: str = "12"
) -> str:
    def tag(number: str, value: str) -> str:
        return f"{number}{len(value):02d}{value}"

    account = (
        tag("00", "ID.CO.QRIS.WWW") + tag("01", "936000140000000012") + tag("02", "000000000000001")
    )
    national = tag("00", "ID.CO.QRIS.WWW") + tag("02", "ID1020030040050") + tag("03", "UKE")
    body = "".join(
        (
            tag("00", "01"),
            tag("01", initiation),
            tag("26", account),
            tag("51", national),
            tag("52", "7523"),
            tag("53", "360"),
            tag("54", str(amount_rp)),
            tag("58", "ID"),
            tag("59", name),
            tag("60", "MARTAPURA"),
            tag("61", "70611"),
            tag("62", tag("01", bill) + tag("07", "A01")),
            "6304",
        )
    )
    return body + f"{binascii.crc_hqx(body.encode(), 0xFFFF):04X}"


def consumer_text(token: bytes = b"\x01" * 16) -> str:
    """What a driver's wallet shows to be charged."""
    card = consumer.CardData(
        aid=consumer.QRIS_AID,
        label="QRISCPM",
        pan="936009120000000015",
        transparent=(("9F74", token),),
    )
    return consumer.encode(consumer.ConsumerPayload(applications=(card,)))


def receipt_json(sequence: int = 123, amount_rp: int = 2000, **changes: Any) -> dict[str, Any]:
    number = receipt_number("MTG-2026", sequence)
    facts = {
        "number": number,
        "regency": "Kabupaten Contoh",
        "agency": "Dinas Perhubungan",
        "regulation": "Perda Kab. Contoh No. 1 Tahun 2024",
        "vehicle_class": "motorcycle",
        "spot_code": SPOT,
        "place": "Jl. Merdeka Ruas 3",
        "zone": "Pasar Martapura",
        "started_at": "2026-11-21T07:05:00+00:00",
        "paid_at": "2026-11-21T07:06:00+00:00",
        "amount_rp": amount_rp,
        "lines": [
            {
                "label_id": "Sekali parkir",
                "label_en": "One stay",
                "quantity": 1,
                "unit_rp": amount_rp,
                "amount_rp": amount_rp,
            }
        ],
        "method": "QRIS",
        "reference": "0198-ref",
        "complaint": "Pengaduan: 0800-0000-000",
        "verify_url": f"http://127.0.0.1:8080/r/{number}",
        "plate": "DA 1••• AB",
        "attendant_code": "J-001",
        "attendant_name": "Ahmad Rifani",
        "rrn": "612345678901",
    }
    return {**facts, **changes}


def drawn(text: str, scale: int = 6, border: int = 4) -> NDArray[np.uint8]:
    """A clean code, black on white, grey."""
    rows = [
        [0 if dark else 255 for dark in row]
        for row in segno.make(text, error="m", micro=False).matrix
    ]
    code = np.kron(np.array(rows, np.uint8), np.ones((scale, scale), np.uint8))
    return np.pad(code, border * scale, constant_values=255)


def on_canvas(code: NDArray[np.uint8], width: int = 640, height: int = 480) -> NDArray[np.uint8]:
    canvas = np.full((height, width), 235, np.uint8)
    top, left = (height - code.shape[0]) // 2, (width - code.shape[1]) // 2
    canvas[top : top + code.shape[0], left : left + code.shape[1]] = code
    return canvas


def photographed(
    text: str,
    seed: int = 1,
    *,
    tilt: float = 0.12,
    blur: float = 0.8,
    noise: float = 6,
    shade: float = 0.5,
) -> NDArray[np.uint8]:
    """The code as a hand-held camera sees it: tilted, soft, noisy, unevenly lit. BGR."""
    random = np.random.default_rng(seed)
    picture = on_canvas(drawn(text, 6))
    height, width = picture.shape
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    moved = corners + random.uniform(-tilt, tilt, (4, 2)).astype(np.float32) * width * 0.5
    warp = cv2.getPerspectiveTransform(corners, moved)
    seen = cv2.warpPerspective(picture, warp, (width, height), borderValue=200).astype(np.float32)
    light = np.linspace(1, 1 - shade, width, dtype=np.float32)[None, :]
    seen = cv2.GaussianBlur(seen * light, (0, 0), blur) + random.normal(0, noise, seen.shape)
    return cv2.cvtColor(np.clip(seen, 0, 255).astype(np.uint8), cv2.COLOR_GRAY2BGR)
