"""The two slips that the golden files are made of, and readers of what came out."""

import io
from pathlib import Path

import numpy as np
import PIL.Image
import pyzbar.pyzbar
import zxingcpp
from PIL import ImageDraw

import printer
from printer import Columns, Cut, Document, Image, Qr, Rule, Text

RECEIPTS = Path(__file__).parents[2] / "fixtures" / "receipts"
NUMBER = "KT-2026-000123-7"
LINK = f"https://karcis.contoh.go.id/v1/receipts/{NUMBER}?s=Zk3vQmB0uT9xYw"


def karcis() -> Document:
    """A paid parking receipt."""
    return Document(
        (
            Text("DINAS PERHUBUNGAN", align="center", bold=True),
            Text("KABUPATEN CONTOH", align="center"),
            Text("KARCIS PARKIR", align="center", bold=True, width=2, height=2),
            Text("Perda Kabupaten Contoh No.\xa01/2024", align="center"),
            Rule("="),
            Columns("No", NUMBER),
            Columns("Nopol", "B\xa01234\xa0XYZ"),
            Columns("Jenis", "Mobil"),
            Columns("Lokasi", "Jl. Merdeka Ruas 3, sisi utara depan Pasar Raya"),
            Columns("Masuk", "21/11/2026 14:05\xa0WIB"),
            Rule(),
            Columns("TOTAL", "Rp5.000", bold=True, height=2),
            Columns("QRIS", "LUNAS"),
            Rule(),
            Qr(LINK),
            Text(NUMBER, align="center", bold=True),
            Text("Simpan sebagai bukti pembayaran", align="center"),
            Text("Pengaduan: karcis.contoh.go.id", align="center"),
            Text(f"-- AKHIR {NUMBER} --", align="center"),
            Cut(),
        )
    )


def bukti_bayar() -> Document:
    """A payment slip, with a logo and with characters that printers do not have."""
    return Document(
        (
            Image(logo()),
            Text("BUKTI BAYAR RETRIBUSI", align="center", bold=True),
            Text("“Berlaku 1× parkir” – simpan baik-baik ✓", align="center"),
            Rule("="),
            Columns("Nomor", "BB-2026-004711-3"),
            Columns("Referensi jaringan (RRN)", "632811004711"),
            Columns("Masuk", "21/11/2026 14:05\xa0WIB"),
            Columns("Keluar", "21/11/2026 17:32\xa0WIB"),
            Columns("Lama", "3\xa0jam 27\xa0menit"),
            Rule(),
            Columns("Jam pertama", "Rp2.000"),
            Columns("3 jam berikutnya × Rp1.000", "Rp3.000"),
            Columns("TOTAL", "Rp5.000", bold=True, width=2, height=2),
            Columns("QRIS", "LUNAS"),
            Qr("BB-2026-004711-3", ec="Q", max_module_dots=8),
            Text("-- AKHIR BB-2026-004711-3 --", align="center"),
            Cut(),
        )
    )


def logo() -> bytes:
    """A parking sign of 96 x 96 dots."""
    picture = PIL.Image.new("1", (96, 96), 1)
    draw = ImageDraw.Draw(picture)
    draw.rounded_rectangle((0, 0, 95, 95), radius=14, fill=0)
    draw.rectangle((30, 18, 42, 78), fill=1)
    draw.rounded_rectangle((30, 18, 70, 54), radius=16, fill=1)
    draw.rectangle((43, 30, 57, 42), fill=0)
    out = io.BytesIO()
    picture.save(out, format="PNG")
    return out.getvalue()


ESCPOS = [name for name in printer.names() if printer.profile(name).language == "escpos"]
SLIPS = {"karcis": karcis, "bukti-bayar": bukti_bayar}


def read_qr(picture: PIL.Image.Image) -> str:
    """The one QR code on the picture, on which two readers agree."""
    grey = np.asarray(picture.convert("L"))
    by_zxing = [found.text for found in zxingcpp.read_barcodes(grey, zxingcpp.BarcodeFormat.QRCode)]
    by_zbar = [
        found.data.decode()
        for found in pyzbar.pyzbar.decode(grey, symbols=[pyzbar.pyzbar.ZBarSymbol.QRCODE])
    ]
    assert by_zxing == by_zbar
    assert len(by_zxing) == 1
    return by_zxing[0]
