"""The `karcis` command as a process: data on stdout, talk on stderr, exit codes for scripts."""

import asyncio
import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import select, text

from domain.parking import spot_code
from server.database import Transactions
from server.payments.books import Books
from server.spots.models import Spot
from server.spots.service import SPOT_FILE_COLUMNS
from tests.server.booking import book
from tests.server.conftest import database_named

FIXTURES = Path(__file__).parents[2] / "fixtures" / "settlements"


class Karcis:
    def __init__(self, database_url: str, folder: Path) -> None:
        self.environment = {**os.environ, "DATABASE_URL": database_url, "NO_COLOR": "1"}
        self.folder = folder

    async def __call__(
        self, *arguments: str | Path, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "server", *map(str, arguments)],
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=60,
            cwd=self.folder,
        )

    def file(self, name: str, content: bytes | str) -> Path:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path


@pytest.fixture
def karcis(database_url: str, tmp_path: Path) -> Karcis:
    return Karcis(database_url, tmp_path)


async def test_a_day_is_taken_in_and_reconciled(
    karcis: Karcis, transactions: Transactions, books: Books
) -> None:
    golden = json.loads((FIXTURES / "clean.json").read_text())
    async with transactions.begin() as db:
        for line in golden["booked"]:
            paid_at = datetime.fromisoformat(line["paid_at"])
            await book(db, books, **{**line, "paid_at": paid_at})
    differing = await karcis("reconcile", "--date", golden["day"], "--json")
    assert differing.returncode == 3, differing.stderr
    assert len(json.loads(differing.stdout)["differences"]) == 4
    settled, banked = await asyncio.gather(
        karcis("settlement", "import", FIXTURES / "clean.csv", "--json"),
        karcis("statement", "import", FIXTURES / "clean.sta"),
    )
    assert json.loads(settled.stdout) == {"lines": 4, "total_rp": 17_874, "known": 0}
    assert banked.stdout == "clean.sta: 2 baris baru, Rp17.874; 0 sudah dikenal\n"
    agreed, verified = await asyncio.gather(
        karcis("reconcile", "--date", golden["day"]), karcis("verify", "--json")
    )
    assert (agreed.returncode, agreed.stderr) == (0, "")
    assert "selisih 0" in agreed.stdout
    assert agreed.stdout.count("cocok     ACQ-") == 4
    assert verified.returncode == 0
    assert json.loads(verified.stdout)["violations"] == 0


async def test_verify_exits_3_and_names_what_is_broken(karcis: Karcis, owner: Transactions) -> None:
    async with owner.begin() as db:
        await db.execute(text("DROP TRIGGER ledger_entries_balance ON ledger_entries"))
        await db.execute(
            text(
                "INSERT INTO ledger_entries"
                " VALUES (gen_random_uuid(), now(), now(), 'uji', 'uji', 2)"
            )
        )
    told = await karcis("verify")
    assert told.returncode == 3
    assert "RUSAK I1-entries-balance" in told.stdout
    assert "RUSAK I0-guards-stand" in told.stdout
    assert told.stdout.count("RUSAK") == 2


RUBBISH = [
    ("settlement", b"bukan csv", "bad-0: baris 1: kolom tidak ada"),
    ("statement", b"bukan mt940", "bad-1: bukan rekening koran MT940"),
    ("spot", b"bukan csv", "bad-2: the first line must be"),
    ("spot", b"\xff\xfe", "bad-3: 'utf-8' codec can't decode"),
]


async def test_a_rubbish_file_is_refused_in_one_line(
    karcis: Karcis, subtests: pytest.Subtests
) -> None:
    answers = await asyncio.gather(
        *(
            karcis(noun, "import", karcis.file(f"bad-{number}", content))
            for number, (noun, content, _) in enumerate(RUBBISH)
        )
    )
    for told, (noun, _, says) in zip(answers, RUBBISH, strict=True):
        with subtests.test(f"{noun}: {says}"):
            assert (told.returncode, told.stdout) == (1, "")
            assert told.stderr.startswith(f"karcis: {says}")
            assert told.stderr.count("\n") == 1


async def test_a_dry_run_checks_spots_and_stores_none(
    karcis: Karcis, transactions: Transactions
) -> None:
    code = spot_code("BRU", 1)
    rows = f"{','.join(SPOT_FILE_COLUMNS)}\nBRU,Baru,{code},Jl. Baru,-2.5,112.9,no\n"
    file = karcis.file("spots.csv", "\ufeff" + rows)

    async def stored() -> set[str]:
        async with transactions.begin() as db:
            accounts = await db.scalars(text("SELECT code FROM ledger_accounts"))
            return set(await db.scalars(select(Spot.code))) | set(accounts)

    before = await stored()
    told = await karcis("spot", "import", file, "--dry-run")
    assert (told.returncode, told.stdout) == (0, "1 spots would be imported\n"), told.stderr
    assert await stored() == before
    told = await karcis("spot", "import", file)
    assert (told.returncode, told.stdout) == (0, "1 spots imported\n"), told.stderr
    assert await stored() - before == {code, "4110.BRU"}


UNUSABLE = {
    "postgresql://postgres@127.0.0.1:9/x": "the database does not answer: ConnectionRefusedError",
    "mysql://x/y": "DATABASE_URL must start with postgresql://",
    "absent": "the database does not answer: InvalidCatalogNameError",
    "postgres": "the database has no schema yet; `karcis migrate` makes it",
}


async def test_a_database_that_cannot_be_used_is_told_in_one_line(
    karcis: Karcis, cluster: str, subtests: pytest.Subtests
) -> None:
    addresses = [url if "://" in url else database_named(cluster, url) for url in UNUSABLE]
    answers = await asyncio.gather(*(karcis("verify", DATABASE_URL=url) for url in addresses))
    for told, (url, says) in zip(answers, UNUSABLE.items(), strict=True):
        with subtests.test(url):
            assert (told.returncode, told.stdout) == (1, "")
            assert told.stderr.startswith(f"karcis: {says}")
            assert told.stderr.count("\n") == 1


async def test_the_doctor_tries_what_it_examines(karcis: Karcis) -> None:
    well = await karcis("doctor")
    assert well.returncode == 0, well.stdout
    assert "ok    database: DATABASE_URL answers" in well.stdout
    ill = await karcis("doctor", DATABASE_URL="postgresql://postgres@127.0.0.1:9/x")
    assert ill.returncode == 1
    assert "SALAH database: DATABASE_URL: ConnectionRefusedError" in ill.stdout


async def test_a_payload_is_explained(karcis: Karcis) -> None:
    told = await karcis("qris", "bukan qris", "--json")
    assert told.returncode == 1
    assert json.loads(told.stdout)["code"]


async def test_wrong_usage_exits_2(karcis: Karcis) -> None:
    told = await karcis("reconcile", "--date", "kemarin")
    assert (told.returncode, told.stdout) == (2, "")
    assert "--date" in told.stderr


async def test_serve_says_what_it_lacks_and_no_secret(karcis: Karcis) -> None:
    told = await karcis(
        "serve", KARCIS_MODE="production", KARCIS_ACQUIRER_CLIENT_SECRET="KENARI7731"
    )
    assert told.returncode == 1
    assert "production mode needs public_url" in told.stderr
    assert "KENARI7731" not in told.stderr
