"""Settings, prices, barcodes and the commands: small parts, one file."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest

from attendant_app import barcode, prices, scanner, service, settings, sync
from attendant_app.runtime import new_id
from domain.tariff import VehicleClass
from tests.attendant_app.builders import MASTER_DATA, MERCHANT, SPOT, photographed, qris_text

ROOT = Path(__file__).parents[2]
SCAN = "import typer, attendant_app.cli as cli; typer.run(cli.scan)"
AT = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)


def test_settings_come_from_the_environment() -> None:
    chosen = settings.from_environment(
        {"HANDHELD_PORT": "9000", "HANDHELD_SERVER_URL": "https://kantor.example/"}
    )
    assert (chosen.port, chosen.server_url) == (9000, "https://kantor.example")
    assert settings.from_environment({}) == settings.Settings()
    assert "daftar" not in repr(settings.Settings(enrolment_code="daftar"))


@pytest.mark.parametrize(
    "environment",
    [
        {"HANDHELD_PORT": "many"},
        {"HANDHELD_PORT": "70000"},
        {"HANDHELD_LANGUAGE": "fr"},
        {"HANDHELD_SERVER_URL": "ftp://x"},
    ],
)
def test_a_wrong_setting_names_itself(environment: dict[str, str]) -> None:
    with pytest.raises(settings.SettingsError, match=next(iter(environment))):
        settings.from_environment(environment)


def test_offers_follow_the_tariff_or_say_nothing() -> None:
    def offer(name: VehicleClass, spot: str = SPOT) -> prices.Offer | None:
        return prices.offer(MASTER_DATA, spot, name, AT)

    assert offer(VehicleClass.CAR) == prices.Offer(5000, None)
    assert offer(VehicleClass.TRUCK) == prices.Offer(10000, 60)
    assert prices.offer(MASTER_DATA, SPOT, VehicleClass.TRUCK, AT, 61) == prices.Offer(15000, 61)
    assert offer(VehicleClass.CAR, "MTG-099-0") is None
    assert prices.offer(None, SPOT, VehicleClass.CAR, AT) is None
    broken = {**MASTER_DATA, "tariffs": [{"zone": "MTG", "version": {"rates": "?"}}]}
    assert prices.offer(broken, SPOT, VehicleClass.CAR, AT) is None
    assert prices.zone_of({"regency": {"timezone": "Nowhere/Land"}}).key == "Asia/Jakarta"


def test_drawn_codes_are_read_back() -> None:
    text = qris_text()
    assert scanner.decode_bytes(barcode.png(text)) == [text]
    svg = barcode.svg(text)
    assert svg.startswith("<svg")
    assert "viewBox" in svg
    with pytest.raises(barcode.BarcodeError):
        barcode.svg("x" * 5000)


def test_merchants_are_named_only_where_the_code_is_qris() -> None:
    assert service.merchant_of(qris_text()) == MERCHANT
    assert service.merchant_of("https://x.id") == ""
    assert service.merchant_of(None) == ""


def test_pauses_grow_spread_and_end() -> None:
    for tries in (0, 3, 50):
        pauses = [sync.pause_s(tries) for _ in range(50)]
        assert max(pauses) <= sync.LONGEST_PAUSE_S
        assert min(pauses) > 0
        assert len(set(pauses)) > 40
    assert max(sync.pause_s(0) for _ in range(50)) <= sync.FIRST_PAUSE_S


def test_ids_sort_by_time_and_do_not_repeat() -> None:
    ids = [new_id() for _ in range(500)]
    assert len(set(ids)) == 500
    assert ids[0][:8] <= ids[-1][:8]


def run_scan(*files: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SCAN, *map(str, files), "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_scan_command_prints_a_line_a_file(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "code.png"), photographed(qris_text()))
    cv2.imwrite(str(tmp_path / "blank.png"), np.full((99, 99), 255, np.uint8))
    done = run_scan(tmp_path / "code.png", tmp_path / "blank.png")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert [row["texts"] for row in rows] == [[qris_text()], []]
    assert all(set(row) == {"file", "texts", "ms"} for row in rows)


def test_the_scan_command_goes_on_after_a_file_it_cannot_read(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "code.png"), photographed(qris_text()))
    (tmp_path / "words.txt").write_text("words")
    done = run_scan(tmp_path / "absent.png", tmp_path / "words.txt", tmp_path / "code.png")
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 1
    assert "absent.png" in done.stderr
    assert "words.txt" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_handheld_imports_neither_server_nor_its_frameworks() -> None:
    program = (
        "import sys, attendant_app.cli;"
        "print([m for m in sys.modules"
        " if m.split('.')[0] in ('server', 'fastapi', 'pydantic', 'sqlalchemy')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
