"""What the doctor finds wrong, and what it says to do about it."""

from pathlib import Path

import pytest

from server import doctor


def finding(data: Path, what: str) -> doctor.Finding:
    return next(found for found in doctor.examine(data) if found.what == what)


def test_a_sound_installation_has_nothing_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    assert [found.what for found in doctor.examine(tmp_path) if not found.ok] == []
    assert "made at the first start" in finding(tmp_path, "database").detail
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("18")
    assert finding(tmp_path, "database").detail == "embedded"


def test_a_missing_library_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.util.find_library", lambda _name: None)
    found = finding(Path("data"), "libzbar")
    assert (found.ok, found.detail) == (False, "apt-get install libzbar0")


def test_a_full_disk_is_found_from_a_folder_that_is_not_there_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / "not" / "yet"
    assert finding(deep, "data directory").ok
    monkeypatch.setattr(doctor, "LEAST_FREE_BYTES", 2**62)
    found = finding(deep, "data directory")
    assert not found.ok
    assert str(tmp_path) in found.detail


@pytest.mark.parametrize("address", ["postgresql://x@127.0.0.1:9/x", "mysql://x", "rubbish"])
def test_an_address_nobody_answers_at_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", address)
    assert not finding(tmp_path, "database").ok
