"""The project's own payloads, and the means to damage or forge them."""

import json
from pathlib import Path
from typing import Any

import qris
from qris import tlv

_FOLDER = Path(__file__).parents[2] / "fixtures" / "qris"
PAYLOADS: list[dict[str, Any]] = json.loads((_FOLDER / "payloads.json").read_text("utf-8"))
CONSUMER: list[dict[str, Any]] = json.loads((_FOLDER / "consumer.json").read_text("utf-8"))
TEXTS: dict[str, str] = {sample["name"]: sample["text"] for sample in (*PAYLOADS, *CONSUMER)}

STATIC = qris.static(
    nmid="ID1020999000111",
    acquirer_guid="ID.CO.CONTOH.WWW",
    pan="936000990000012345",
    merchant_id="PKR000012345",
    criteria=qris.Criteria.PUBLIC_SERVICE_AGENCY,
    mcc="7523",
    name="PARKIR KAB CONTOH",
    city="CONTOH KOTA",
    postal_code="61299",
)


def seal(text: str) -> str:
    """`text` with the CRC a forger would compute in place of its own."""
    return text[:-4] + tlv.crc(text[:-4])
