"""Vouchers, passes and exemptions from the command line: what comes out is what handhelds read."""

import csv
import io
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import zxingcpp
from PIL import Image
from zxingcpp import BarcodeFormat

from domain import covered, voucher
from server.database import Transactions
from server.payments.books import Books
from tests.server.test_cli import Karcis, karcis

__all__ = ["karcis"]  # the fixture

TODAY = datetime.now(ZoneInfo("Asia/Jakarta")).date()
BATCH = (
    "--count", "12", "--amount-rp", "5000", "--seller", "Koperasi Pasar",
    "--valid-until", f"{TODAY + timedelta(days=90)}",
)  # fmt: skip


@pytest.fixture
def sealed(karcis: Karcis, keys: Path) -> Karcis:
    karcis.environment["KARCIS_PROOF_KEY"] = str(keys / "seal.pem")
    return karcis


async def test_a_batch_is_written_down_sold_and_voided(sealed: Karcis, books: Books) -> None:
    issued = await sealed("voucher", "issue", "a.csv", *BATCH, "--class", "car")
    assert (issued.returncode, issued.stdout) == (0, "batch 0001: 12 vouchers in a.csv\n")
    text = (sealed.folder / "a.csv").read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text), delimiter=";"))
    assert len(rows) == 12
    read = voucher.verify(rows[0]["qr"], books.proof_keys)
    assert (read.serial, read.value_rp, read.vehicle_class) == (rows[0]["serial"], 5_000, "car")
    for arguments, said in (
        (("issue", "a.csv", *BATCH), "is there already"),
        (("issue", "a.txt", *BATCH), "want a .csv or a .pdf"),
        (("issue", "none/a.csv", *BATCH), "none/a.csv cannot be written: No such file"),
        (("paid", "Toko Lain", "--amount-rp", "1", "--slip", "SLIP 991100", "--on", f"{TODAY}",
          "--officer", "bendahara"), "was given no batch"),
    ):  # fmt: skip
        refused = await sealed("voucher", *arguments)
        assert refused.returncode == 1
        assert said in refused.stderr
    card = await sealed("attendant", "card", "J-001", "none/j.png")
    assert (card.returncode, "none/j.png cannot be written" in card.stderr) == (1, True)
    paid = await sealed(
        "voucher", "paid", "Koperasi Pasar", "--amount-rp", "60000", "--slip", "SLIP 991100",
        "--on", f"{TODAY}", "--officer", "bendahara",
    )  # fmt: skip
    assert paid.returncode == 0, paid.stderr
    lost = ("void", "1", "--from", "11", "--to", "12", "--why", "hilang")
    assert (await sealed("voucher", *lost)).stdout == "2 vouchers voided\n"
    verified = await sealed("verify")
    assert verified.returncode == 0, verified.stdout


async def test_the_sheets_to_be_printed_can_be_scanned(sealed: Karcis, books: Books) -> None:
    issued = await sealed("voucher", "issue", "a.pdf", *BATCH)
    assert issued.returncode == 0, issued.stderr
    assert (sealed.folder / "a.pdf").read_bytes().startswith(b"%PDF")
    from server.payments import voucher_sheets

    assert books.seal is not None
    made = [
        voucher.Voucher(voucher.serial(1, number), 5_000, None, TODAY) for number in range(1, 13)
    ]
    sheet = voucher_sheets._page(
        [(each, voucher.sign(books.seal, each)) for each in made[:10]], books.regency
    )
    seen = {
        voucher.verify(code.text, books.proof_keys)
        for code in zxingcpp.read_barcodes(sheet.convert("L"), BarcodeFormat.QRCode)
    }
    assert seen == set(made[:10])


async def test_a_pass_is_issued_for_its_slip_and_revoked(
    sealed: Karcis, books: Books, transactions: Transactions
) -> None:
    term = ("--class", "car", "--from", f"{TODAY}", "--to", f"{TODAY + timedelta(days=30)}")
    asked = ("pass", "issue", "p.png", *term, "--price-rp", "50000", "--officer", "bendahara")
    refused = await sealed(*asked)
    assert refused.returncode == 1
    assert "--slip" in refused.stderr
    slip = ("--slip", "SLIP 440011", "--on", f"{TODAY}", "--zone", "PSR", "--plate", "KH 1234 AB")
    issued = await sealed(*asked, *slip)
    assert issued.stdout == f"{covered.serial(1)}: p.png\n", issued.stderr
    (code,) = zxingcpp.read_barcodes(Image.open(sealed.folder / "p.png"), BarcodeFormat.QRCode)
    read = covered.verify(code.text, books.proof_keys)
    assert (read.serial, read.zones, read.plate_masked) == (
        covered.serial(1), ("PSR",), "KH 1••• AB"
    )  # fmt: skip
    revoked = await sealed("pass", "revoke", read.serial, "--why", "dijual")
    assert revoked.returncode == 0, revoked.stderr
    assert (await sealed("verify")).returncode == 0


async def test_an_exemption_is_put_in_force(sealed: Karcis) -> None:
    kind = ("ambulans", "--picture", "ambulance", "--class", "car", "--label-id", "Ambulans",
            "--label-en", "Ambulance", "--regulation", "Perda 1/2024 ps. 9",
            "--from", f"{TODAY}")  # fmt: skip
    added = await sealed("exemption", "add", *kind)
    assert added.returncode == 0, added.stderr
    counted = await sealed("exemption", "count", "--from", f"{TODAY}", "--to", f"{TODAY}")
    assert (counted.returncode, counted.stdout) == (0, "")
    rocket = await sealed("exemption", "add", *kind[:2], "rocket", *kind[3:])
    assert rocket.returncode == 1
