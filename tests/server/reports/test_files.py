"""A report's files, as those read them who get them: spreadsheets, PDF readers, and attackers."""

import asyncio
import csv
import importlib.util
import io
import os
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import formulas
import numpy as np
import pypdfium2
import pytest
from asn1crypto import x509 as asn1_x509
from asn1crypto.keys import PrivateKeyInfo
from asn1crypto.tsp import TimeStampReq
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.hazmat.primitives.serialization.pkcs12 import load_key_and_certificates
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from openpyxl import load_workbook
from pydantic import SecretStr
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.timestamps.dummy_client import DummyTimeStamper
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko.sign.validation.status import PdfSignatureStatus
from pyhanko_certvalidator import ValidationContext
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from attendant_app.scanner import decode
from server.audit.models import AuditCheckpoint
from server.identity.service import Right
from server.payments.books import Books
from server.reports import downloads, sheets, table
from server.reports.documents import Imprint, as_pdf
from server.reports.signing import ReportKeyUnfit, ReportSigner, signer_of
from server.reports.table import Asked, Column, Kind, Period, Report, Row, Said, Table
from server.settings import Settings
from server.system import REPORT_SIGNER, make_report_key
from tests.extras import absent
from tests.server.payments.conftest import on_a_socket

EVIL = (
    '=HYPERLINK("http://evil.example";"klik")',
    "+1+1",
    "-1+1",
    "@SUM(1)",
    "\t=1",
    "\r=1",
    "\n=1",
    " =1",
    'a;"b"\r\n=1',
    "<b>&amp;",
)
NOTE = "karcis.example/audit\n12345\nq83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=\n\n— x AAAA\n"
MADE = datetime(2026, 11, 23, 8, 30, tzinfo=UTC)
COLUMNS = (
    Column("place", Said("Tempat", "Place")),
    Column("day", Said("Hari", "Day"), Kind.DAY),
    Column("count", Said("Jumlah", "Count"), Kind.COUNT, total=True),
    Column("amount_rp", Said("Rupiah", "Rupiah"), Kind.RUPIAH, total=True),
    Column("part_rp", Said("Bagian", "Part"), Kind.RUPIAH, total=True, needs=Right.SEE_BOOKS),
    Column("share", Said("%", "%"), Kind.PERCENT, share=("part_rp", "amount_rp")),
)


@pytest.fixture
def rows() -> list[Row]:
    return [
        {
            "place": place,
            "day": date(2026, 11, 1),
            "count": at,
            "amount_rp": at * 3001,
            "part_rp": -at * 1000,
        }
        for at, place in enumerate(EVIL * 12)
    ]


async def made(
    rows: list[Row], settings: Settings, rights: frozenset[Right] = frozenset(Right)
) -> Table:
    async def told(*_: object) -> list[Row]:
        return rows

    report = Report("uji", Said("Uji", "Test"), Said("Uji", "Test"), Said("?", "?"), COLUMNS, told)
    asked = Asked(
        Period(date(2026, 11, 1), date(2026, 11, 30)), Books.of(settings), date(2026, 11, 23)
    )
    return await table.build(None, report, asked, rights)  # type: ignore[arg-type]


async def test_csv_gives_a_spreadsheet_nothing_to_run(rows: list[Row], settings: Settings) -> None:
    written = sheets.as_csv(await made(rows, settings), "id").decode("utf-8-sig")
    head, *lines = csv.reader(io.StringIO(written, newline=""), delimiter=";")
    assert head == ["Tempat", "Hari", "Jumlah", "Rupiah", "Bagian", "%"]
    for evil, line in zip(EVIL, lines, strict=False):
        assert not line[0].lstrip(" \n").startswith(("=", "+", "-", "@", "\t", "\r")), line
        assert line[0].removeprefix("'") == evil
    assert lines[3][1:] == ["2026-11-01", "3", "9003", "-3000", "-33,32"]


def recalculated(path: Path) -> dict[str, Any]:
    """The cells of a workbook, its formulas reckoned anew."""
    book = formulas.ExcelModel().loads(str(path)).finish()
    return {
        str(name).partition("!")[2]: value.value[0, 0]
        for name, value in book.calculate().items()
        if np.shape(getattr(value, "value", None)) == (1, 1)
    }


@pytest.mark.filterwarnings("ignore::SyntaxWarning")  # of formulas, at its first import
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_a_spreadsheet_recalculated_has_the_same_totals(
    rows: list[Row], settings: Settings, tmp_path: Path
) -> None:
    told = await made(rows, settings)
    path = tmp_path / "uji.xlsx"
    path.write_bytes(sheets.as_xlsx(told, "id", MADE))
    sheet = load_workbook(path)["uji"]
    last = sheets.ABOVE + 1 + len(rows) + 1
    assert sheet.freeze_panes == "A6"
    assert [sheet.cell(last, at).data_type for at in range(1, 7)] == ["s", "n", "f", "f", "f", "f"]
    assert sheet["A6"].value == EVIL[0]
    assert {sheet.cell(row, 1).data_type for row in range(6, last + 1)} == {"s"}
    assert (sheet["B6"].value, sheet["C9"].value) == (datetime(2026, 11, 1), 3)  # noqa: DTZ001
    cells = recalculated(path)
    amounts = [cells[f"{letter}{last}"] for letter in "CDE"]
    assert amounts == list(told.totals[2:5])
    assert amounts[1] == sum(at * 3001 for at in range(len(rows)))
    assert isinstance(share := told.totals[5], int)
    assert round(cells[f"F{last}"] * 10_000) == share


async def test_a_column_one_may_not_see_is_in_no_file(rows: list[Row], settings: Settings) -> None:
    told = await made(rows, settings, frozenset(Right) - {Right.SEE_BOOKS})
    written = sheets.as_csv(told, "id").decode()
    assert written.splitlines()[0] == "\ufeffTempat;Hari;Jumlah;Rupiah"
    assert "-3000" not in written
    assert told.notes("id")[-1] == "Tidak ditampilkan untuk peran Anda: Bagian, %."


def signing(settings: Settings, folder: Path) -> Settings:
    """Settings with a new key of their own in a file."""
    folder.mkdir(exist_ok=True)
    make_report_key(folder, "sandi uji")
    password = SecretStr("sandi uji")
    key = {"report_signing_key": folder / "reports.p12", "report_signing_password": password}
    return settings.model_copy(update=key)


@pytest.fixture
def signer(settings: Settings, tmp_path: Path) -> ReportSigner:
    signer = signer_of(signing(settings, tmp_path))
    assert signer is not None
    return signer


def status(pdf: bytes, trusted: ReportSigner) -> PdfSignatureStatus:
    with trusted._open() as key:
        context = ValidationContext(trust_roots=[key.signing_cert], allow_fetching=False)
    (signature,) = PdfFileReader(io.BytesIO(pdf)).embedded_signatures
    return validate_pdf_signature(signature, context)


def texts(pdf: bytes) -> list[str]:
    with pypdfium2.PdfDocument(pdf) as document:
        return [document[at].get_textpage().get_text_range() for at in range(len(document))]


async def test_a_signed_pdf_holds_until_a_byte_is_another(
    rows: list[Row], settings: Settings, signer: ReportSigner, tmp_path: Path
) -> None:
    imprint = Imprint("bendahara", MADE, signer.name, None)
    pdf = await asyncio.to_thread(signer.sign, as_pdf(await made(rows, settings), "id", imprint))
    told = await asyncio.to_thread(status, pdf, signer)
    assert (told.intact, told.valid, told.trusted, told.bottom_line) == (True, True, True, True)
    (signature,) = PdfFileReader(io.BytesIO(pdf)).embedded_signatures
    assert signature.sig_object["/SubFilter"] == "/ETSI.CAdES.detached"
    assert f"oleh: {REPORT_SIGNER}" in texts(pdf)[-1]
    broken = bytearray(pdf)
    broken[pdf.index(b"/Creator") + 12] ^= 1
    assert not (await asyncio.to_thread(status, bytes(broken), signer)).intact
    stranger = signer_of(signing(settings, tmp_path / "lain"))
    assert stranger is not None
    told = await asyncio.to_thread(status, pdf, stranger)
    assert (told.intact, told.trusted) == (True, False)


async def test_a_pdf_shows_every_row_its_pages_and_the_checkpoint(
    rows: list[Row], settings: Settings
) -> None:
    checkpoint = AuditCheckpoint(made_at=MADE, size=12345, root=bytes(32), note=NOTE)
    imprint = Imprint("bendahara", MADE, None, checkpoint)
    pdf = as_pdf(await made(rows, settings), "id", imprint)
    pages = texts(pdf)
    assert len(pages) > 1
    for number, page in enumerate(pages, 1):
        assert f"Halaman {number} dari {len(pages)}" in page
        assert "Dibuat 23 Nov 2026 08.30 oleh bendahara" in page
    whole = "\n".join(pages)
    assert whole.count("HYPERLINK") == 12
    assert "<b>&amp;" in whole
    assert f"{settings.agency} {settings.regency}" in pages[0]
    assert "Rp21.427.140" in pages[-1] or "Rp21.427.140" in pages[-2]
    assert "TIDAK DITANDATANGANI" in whole
    assert PdfFileReader(io.BytesIO(pdf)).embedded_signatures == []
    with pypdfium2.PdfDocument(pdf) as document:
        seen = document[len(pages) - 1].render(scale=2).to_numpy()
    assert decode(seen[:, :, :3]) == [NOTE]


@pytest.mark.parametrize("content", [b"", b"tidak ada kunci di sini"])
def test_a_file_without_a_key_is_told_at_the_start(
    settings: Settings, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "reports.p12"
    path.write_bytes(content)
    with pytest.raises(ReportKeyUnfit, match=r"reports\.p12"):
        signer_of(settings.model_copy(update={"report_signing_key": path}))


def test_a_wrong_password_is_told_at_the_start(settings: Settings, tmp_path: Path) -> None:
    wrong = {"report_signing_password": SecretStr("salah")}
    with pytest.raises(ReportKeyUnfit, match="password"):
        signer_of(signing(settings, tmp_path).model_copy(update=wrong))
    with pytest.raises(ReportKeyUnfit, match="cannot be read"):
        signer_of(settings.model_copy(update={"report_signing_key": tmp_path / "lain.p12"}))


TOKENS = [
    Path(os.environ.get("KARCIS_TEST_PKCS11", "/usr/lib/softhsm/libsofthsm2.so")),
    Path("/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"),
]


@pytest.fixture
def token(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings with a key in a token of SoftHSM, where that is installed."""
    if importlib.util.find_spec("pkcs11") is None:
        absent("python-pkcs11")
    import pkcs11
    from pkcs11.util.ec import encode_named_curve_parameters
    from pkcs11.util.x509 import decode_x509_certificate

    module = next((path for path in TOKENS if path.exists()), None)
    tool = shutil.which("softhsm2-util")
    if module is None or tool is None:
        absent("SoftHSM")
    (tmp_path / "tokens").mkdir()
    (tmp_path / "softhsm2.conf").write_text(f"directories.tokendir = {tmp_path / 'tokens'}\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(tmp_path / "softhsm2.conf"))
    pins = ("--label", "KARCIS", "--pin", "1234", "--so-pin", "0000")
    subprocess.run(
        [tool, "--module", str(module), "--init-token", "--free", *pins],
        check=True,
        capture_output=True,
        timeout=60,
    )
    library = pkcs11.lib(str(module))
    library.reinitialize()
    make_report_key(tmp_path, "sandi uji")
    key, certificate, _ = load_key_and_certificates(
        (tmp_path / "reports.p12").read_bytes(), b"sandi uji"
    )
    assert isinstance(key, EllipticCurvePrivateKey)
    assert certificate is not None
    kept = library.get_token(token_label="KARCIS")
    with kept.open(rw=True, user_pin="1234") as session:
        numbers = key.private_numbers()
        session.create_object(
            {
                pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY,
                pkcs11.Attribute.KEY_TYPE: pkcs11.KeyType.EC,
                pkcs11.Attribute.TOKEN: True,
                pkcs11.Attribute.SIGN: True,
                pkcs11.Attribute.LABEL: "laporan",
                pkcs11.Attribute.ID: b"1",
                pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters("1.2.840.10045.3.1.7"),
                pkcs11.Attribute.VALUE: numbers.private_value.to_bytes(32, "big"),
            }
        )
        session.create_object(
            decode_x509_certificate(certificate.public_bytes(Encoding.DER))
            | {
                pkcs11.Attribute.TOKEN: True,
                pkcs11.Attribute.LABEL: "laporan",
                pkcs11.Attribute.ID: b"1",
            }
        )
    return settings.model_copy(
        update={
            "report_token_module": module,
            "report_token_name": "KARCIS",
            "report_token_pin": SecretStr("1234"),
            "report_token_label": "laporan",
        }
    )


@pytest.mark.extras
async def test_a_key_in_a_token_signs_as_well(
    rows: list[Row], settings: Settings, token: Settings
) -> None:
    signer = await asyncio.to_thread(signer_of, token)
    assert signer is not None
    assert signer.name == REPORT_SIGNER
    imprint = Imprint("bendahara", MADE, signer.name, None)
    pdf = as_pdf(await made(rows, settings), "id", imprint)
    signed = await asyncio.to_thread(signer.sign, pdf)
    assert (await asyncio.to_thread(status, signed, signer)).bottom_line
    wrong = token.model_copy(update={"report_token_pin": SecretStr("9999")})
    with pytest.raises(ReportKeyUnfit, match="does not open"):
        await asyncio.to_thread(signer_of, wrong)


def _stamper() -> DummyTimeStamper:
    """A service of time stamps with a certificate of its own."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CONTOH: cap waktu karangan")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
        .sign(key, SHA256())
    )
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return DummyTimeStamper(
        asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER)),
        PrivateKeyInfo.load(der),
    )


async def test_a_time_stamp_is_fetched_and_its_absence_holds_up_nothing(
    rows: list[Row], settings: Settings, signer: ReportSigner
) -> None:
    service, broken = _stamper(), False

    async def stamp(request: Request) -> Response:
        if broken:
            return Response(b"none", media_type="application/timestamp-reply")
        asked = TimeStampReq.load(await request.body())
        answer = await service.async_request_tsa_response(asked)
        return Response(answer.dump(), media_type="application/timestamp-reply")

    told = await made(rows, settings)
    imprint = Imprint("bendahara", MADE, signer.name, None)

    def written(at: str) -> bytes:
        draw = partial(as_pdf, told, "id")
        return downloads.signed_pdf(draw, imprint, replace(signer, stamps_at=at))

    async with on_a_socket(Starlette(routes=[Route("/", stamp, methods=["POST"])])) as url:
        pdf = await asyncio.to_thread(written, f"{url}/")
        found = await asyncio.to_thread(status, pdf, signer)
        assert found.timestamp_validity is not None
        assert (found.intact, found.valid, found.timestamp_validity.intact) == (True, True, True)
        assert "PAdES B-T" in texts(pdf)[-1]
        broken = True
        pdf = await asyncio.to_thread(written, f"{url}/")
    assert "TANPA CAP WAKTU" in texts(pdf)[-1]
    pdf = await asyncio.to_thread(written, f"{url}/")  # nobody listens there any more
    found = await asyncio.to_thread(status, pdf, signer)
    assert (found.bottom_line, found.timestamp_validity) == (True, None)
    assert "TANPA CAP WAKTU" in texts(pdf)[-1]
