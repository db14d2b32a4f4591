"""Vouchers, passes and exemptions from the command line: what comes out is what handhelds read."""

import csv
import getpass
import io
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pypdfium2
import pytest
import zxingcpp
from PIL import Image
from sqlalchemy import text
from zxingcpp import BarcodeFormat

from domain import card, covered, voucher
from server.database import Transactions
from server.payments.books import Books
from tests.server.conftest import PLATE_KEY
from tests.server.test_cli import Karcis, karcis

__all__ = ["karcis"]  # the fixture

TODAY = datetime.now(ZoneInfo("Asia/Jakarta")).date()
BATCH = (
    "--count", "12", "--amount-rp", "5000", "--seller", "Koperasi Pasar",
    "--valid-until", f"{TODAY + timedelta(days=90)}", "--reason", "stok",
)  # fmt: skip


@pytest.fixture
def sealed(karcis: Karcis, keys: Path) -> Karcis:
    karcis.environment["KARCIS_PROOF_KEY"] = str(keys / "seal.pem")
    return karcis


async def by_two(sealed: Karcis, *proposal: str) -> str:
    """What one officer proposes and another agrees to, as it is told then."""
    asked = await sealed("voucher", *proposal, "--officer", "bendahara")
    assert asked.returncode == 4, asked.stderr
    told = (asked.stdout.split()[0], "approve", "--why", "ya")
    own = await sealed("voucher", "decide", *told, "--officer", "bendahara")
    assert own.returncode == 1
    decided = await sealed("voucher", "decide", *told, "--officer", "verifikator")
    assert decided.returncode == 0, decided.stderr
    return decided.stdout


async def test_a_batch_is_agreed_on_printed_sold_and_voided(
    sealed: Karcis, books: Books, transactions: Transactions
) -> None:
    of_bendahara = ("--officer", "bendahara")
    early = await sealed("voucher", "print", "1", "a.csv", *of_bendahara)
    assert (early.returncode, "There is no such batch" in early.stderr) == (1, True)
    assert "as batch 0001" in await by_two(sealed, "issue", *BATCH, "--class", "car")
    issued = await sealed("voucher", "print", "1", "a.csv", *of_bendahara)
    assert (issued.returncode, issued.stdout) == (0, "batch 0001: 12 vouchers in a.csv\n")
    async with transactions.begin() as db:
        record = "SELECT who, filters->>'officer', filters->>'numbers' FROM report_downloads"
        taken = [tuple(row) for row in await db.execute(text(record))]
    assert taken == [(f"cli:{getpass.getuser()}", "bendahara", "1-12")]
    told = (sealed.folder / "a.csv").read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(told), delimiter=";"))
    assert len(rows) == 12
    read = voucher.verify(rows[0]["qr"], books.proof_keys)
    assert (read.serial, read.value_rp, read.vehicle_class) == (rows[0]["serial"], 5_000, "car")
    for arguments, said in (
        (("print", "1", "a.csv", *of_bendahara), "is there already"),
        (("print", "1", "a.txt", *of_bendahara), "want a .csv or a .pdf"),
        (("print", "1", "none/a.csv", *of_bendahara), "cannot be written: No such file"),
        (("print", "1", "b.csv", "--officer", "verifikator"), "Your role may not do this"),
        (("paid", "Toko Lain", "--amount-rp", "1", "--slip", "SLIP 991100", "--on", f"{TODAY}",
          *of_bendahara), "was given no batch"),
    ):  # fmt: skip
        refused = await sealed("voucher", *arguments)
        assert refused.returncode == 1
        assert said in refused.stderr
    drawn = await sealed("attendant", "card", "J-001", "none/j.png")
    assert (drawn.returncode, "none/j.png cannot be written" in drawn.stderr) == (1, True)
    paid = await sealed(
        "voucher", "paid", "Koperasi Pasar", "--amount-rp", "60000", "--slip", "SLIP 991100",
        "--on", f"{TODAY}", "--officer", "bendahara",
    )  # fmt: skip
    assert paid.returncode == 0, paid.stderr
    lost = ("void", "1", "--from", "11", "--to", "12", "--why", "hilang")
    assert "void 0001: 11-12" in await by_two(sealed, *lost)
    listed = (await sealed("voucher", "list")).stdout
    assert "12 issued, 0 used, 2 voided, 10 left" in listed
    for below, is_told in (("2", True), ("1", False)):
        further = (await sealed("voucher", "list", "--below", below)).stdout
        assert ("12 issued, 0 used, 2 voided, 10 left" in further) is is_told, below
    verified = await sealed("verify")
    assert verified.returncode == 0, verified.stdout


async def test_the_sheets_to_be_printed_can_be_scanned(sealed: Karcis, books: Books) -> None:
    await by_two(sealed, "issue", *BATCH)
    issued = await sealed("voucher", "print", "1", "a.pdf", "--officer", "bendahara")
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


async def test_cards_of_many_attendants_are_printed_on_sheets_in_their_real_size(
    sealed: Karcis, books: Books, transactions: Transactions
) -> None:
    async with transactions.begin() as db:
        await db.execute(
            text(
                "INSERT INTO attendants (id, code, name, state, pin_hash, failed_tries)"
                " SELECT gen_random_uuid(), 'J-9' || n, 'Juru Contoh ' || n, 'active', 'x', 0"
                " FROM generate_series(10, 20) n"
            )
        )
    many = await sealed("attendant", "card", "--all", "all.pdf")
    assert many.returncode == 0, many.stderr
    with pypdfium2.PdfDocument(sealed.folder / "all.pdf") as sheets:
        assert len(sheets) == 2
        dots = 300 / 72
        drawn = [sheet.render(scale=dots).to_pil() for sheet in sheets]
    assert drawn[0].size == (2481, 3508)  # A4
    codes = [zxingcpp.read_barcodes(page.convert("L"), BarcodeFormat.QRCode) for page in drawn]
    stands = {
        card.verify(code.text, books.proof_keys).attendant: code.position.top_left
        for page in codes
        for code in page
    }
    assert sorted(stands) == ["J-001", *(f"J-9{n}" for n in range(10, 21))]
    near, right, below = (stands[code] for code in ("J-001", "J-910", "J-911"))
    assert (right.x - near.x) / 300 * 25.4 == pytest.approx(85.6, abs=0.3)
    assert (below.y - near.y) / 300 * 25.4 == pytest.approx(54, abs=0.3)
    worn = await sealed("attendant", "card", "J-001", "vest.pdf", "--vest")
    assert worn.returncode == 0, worn.stderr
    with pypdfium2.PdfDocument(sealed.folder / "vest.pdf") as sheets:
        (page,) = [sheet.render(scale=1).to_pil() for sheet in sheets]
    assert page.size == (596, 420)  # A5, as a phone sees it from a few steps
    (code,) = zxingcpp.read_barcodes(page.convert("L"), BarcodeFormat.QRCode)
    assert card.verify(code.text, books.proof_keys).attendant == "J-001"
    two = await sealed("attendant", "card", "J-001", "J-000", "two.pdf")
    assert (two.returncode, "J-000" in two.stderr) == (1, True)
    assert not (sealed.folder / "two.pdf").exists()
    for wrong in (
        ("two.pdf",),
        ("J-001", "--all", "two.pdf"),
        ("J-001", "two.pdf", "--unit", "PUSAT"),
        ("J-001", "J-002", "two.png"),
    ):
        assert (await sealed("attendant", "card", *wrong)).returncode == 2
    async with transactions.begin() as db:
        kept = await db.scalar(text("SELECT count(*) FROM attendant_cards"))
    assert kept == len(stands) + 1


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


async def agreed(sealed: Karcis, **rule: Any) -> str:
    """A rule proposed and approved from the command line; what was said against it."""
    told = (
        sealed.file("rule.json", json.dumps(rule)),
        "--reason",
        "uji",
        "--officer",
        "bendahara",
        "--json",
    )
    proposed = await sealed("rule", "propose", *told)
    if proposed.returncode != 4:
        return str(proposed.stderr)
    asked = json.loads(proposed.stdout)["id"]
    decided = await sealed(
        "rule", "decide", asked, "approve", "--why", "ya", "--officer", "verifikator"
    )
    return str(decided.stderr)


async def test_an_exemption_is_put_in_force_by_two(sealed: Karcis) -> None:
    kind = ("ambulans-2", "--picture", "ambulance", "--class", "car", "--label-id", "Ambulans",
            "--label-en", "Ambulance", "--regulation", "Perda 1/2024 ps. 9",
            "--from", f"{TODAY}")  # fmt: skip
    alone = await sealed("exemption", "add", *kind)
    assert alone.returncode == 1
    assert "dua petugas" in alone.stderr
    rule = {
        "kind": "exemption", "code": "ambulans-2", "picture": "ambulance", "vehicle_class": "car",
        "label_id": "Ambulans", "label_en": "Ambulance", "regulation": "Perda 1/2024 ps. 9",
        "valid_from": "2031-01-01",
    }  # fmt: skip
    assert await agreed(sealed, **rule) == ""
    assert "picture" in await agreed(sealed, **rule | {"picture": "rocket"})
    counted = await sealed("exemption", "count", "--from", f"{TODAY}", "--to", f"{TODAY}")
    assert (counted.returncode, counted.stdout) == (0, "")


async def test_prices_and_permits_of_passes_are_kept_as_they_are_said(
    sealed: Karcis, transactions: Transactions
) -> None:
    async def price(code: str, price_rp: int, day: str, **more: Any) -> str:
        told = {"kind": "pass-price", "code": code, "vehicle_class": "car", "months": 1}
        article = {"regulation": "Perda 1/2024 ps. 9", "valid_from": day}
        return await agreed(sealed, **told, **article, price_rp=price_rp, **more)

    sealed.environment["KARCIS_PLATE_KEY"] = PLATE_KEY
    alone = await sealed(
        "pass", "price", "uji", "--class", "car", "--months", "1", "--price-rp", "60000",
        "--regulation", "Perda 1/2024 ps. 9", "--from", "2031-01-01",
    )  # fmt: skip
    assert alone.returncode == 1
    assert "dua petugas" in alone.stderr
    assert await price("uji", 60_000, "2031-01-01") == ""
    assert await price("uji", 70_000, "2031-03-01", zones=["PSR"]) == ""
    assert await price("warga", 0, "2031-01-01", whom="resident") == ""
    assert "free" in await price("uji", 0, "2031-04-01")
    for day, shown in (("2031-02-28", ["60000"]), ("2031-03-01", ["70000"]), ("2030-12-31", [])):
        told = await sealed("pass", "prices", "--on", day)
        lines = [line.split() for line in told.stdout.splitlines()]
        assert [line[5] for line in lines if line[0] == "uji"] == shown, told.stdout
    assert "PSR" in (await sealed("pass", "prices", "--on", "2031-03-01")).stdout

    async def permit(plate: str, kind: str = "resident", officer: str = "bendahara") -> Any:
        return await sealed(
            "pass", "permit", kind, "--class", "car", "--plate", plate, "--proof", "KTP",
            "--to", "2031-12-31", "--officer", officer,
        )  # fmt: skip

    given = await permit("kh 7731 zq")
    assert (given.returncode, given.stdout) == (0, "KH 7••• ZQ\n"), given.stderr
    for refused in (
        await permit("7731"),
        await permit("KH 1 A", "ordinary"),
        await permit("KH 1 A", officer="x"),
    ):
        assert refused.returncode == 1
        assert "Traceback" not in refused.stderr
    async with transactions.begin() as db:
        rows = (await db.execute(text("SELECT t::text FROM pass_permits t"))).scalars().all()
    assert len(rows) == 1
    assert "KTP" in rows[0]
    assert "7731" not in f"{rows[0]}{given.stderr}"
