"""The `karcis` command as a process: data on stdout, talk on stderr, exit codes for scripts."""

import asyncio
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import select, text

from domain.parking import spot_code
from server import schema
from server.database import APP_ROLE, Transactions, as_role
from server.identity import service as identity
from server.identity import units
from server.identity.models import ROOT, Role
from server.identity.units import Draft
from server.inspection.models import SpotFile
from server.payments.books import Books
from server.sample import CHECKER, OFFICER
from server.settings import Settings
from server.spots.models import Spot
from server.spots.rosters import COLUMNS
from server.spots.service import SPOT_FILE_COLUMNS
from tests import forks
from tests.server.booking import book
from tests.server.cluster import database_named
from tests.server.conftest import PERSON_KEY, WEBHOOK_KEY

FIXTURES = Path(__file__).parents[2] / "fixtures" / "settlements"

forks.load("server.cli", "server.app")


class Karcis:
    def __init__(self, database_url: str, folder: Path) -> None:
        self.environment = {**os.environ, "DATABASE_URL": database_url, "NO_COLOR": "1"}
        self.folder = folder

    async def __call__(
        self, *arguments: str | Path, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        said = self.folder / ".said" / uuid4().hex
        said.mkdir(parents=True)
        out, errors = said / "out", said / "errors"
        command = ("server", *map(str, arguments))
        fork = forks.Fork(command, self.environment | environment, out, errors, self.folder)
        await asyncio.to_thread(fork.start)
        code = await asyncio.to_thread(fork.wait)
        assert code is not None
        return subprocess.CompletedProcess(command, code, out.read_text(), errors.read_text())

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
    asked = ("reconcile", "--date", golden["day"], "--json")
    tried = await karcis(*asked, "--dry-run")
    async with transactions.begin() as db:
        assert await db.scalar(text("SELECT count(*) FROM reconciliations")) == 0
    differing = await karcis(*asked)
    said = json.loads(differing.stdout)
    assert json.loads(tried.stdout) == said | {"dry_run": True}
    # Whether the file is late or only awaited is a matter of the day on which this runs.
    assert differing.returncode == tried.returncode == (3 if said["differences"] else 0)
    awaited_rp = sum(each["amount_rp"] for each in said["expected"])
    assert awaited_rp - said["difference_rp"] == 18_000
    settled, banked = await asyncio.gather(
        karcis("settlement", "import", FIXTURES / "clean.csv", "--json"),
        karcis("statement", "import", FIXTURES / "clean.sta"),
    )
    taken = {"lines": 4, "total_rp": 17_874, "known": 0, "unbooked": 0}
    assert json.loads(settled.stdout) == taken
    told = "clean.sta: 2 baris baru, Rp17.874; 0 sudah dikenal\n"
    assert banked.stdout == told, banked.stderr
    agreed, verified = await asyncio.gather(
        karcis("reconcile", "--date", golden["day"]), karcis("verify", "--json")
    )
    assert (agreed.returncode, agreed.stderr) == (0, "")
    assert "selisih 0" in agreed.stdout
    assert agreed.stdout.count("cocok     ACQ-") == 4
    assert verified.returncode == 0
    assert json.loads(verified.stdout)["violations"] == 0


async def test_a_whole_file_is_compared_with_the_books_of_its_days(
    karcis: Karcis, transactions: Transactions, books: Books
) -> None:
    golden = json.loads((FIXTURES / "clean.json").read_text())
    async with transactions.begin() as db:
        for line in golden["booked"][1:]:
            paid_at = datetime.fromisoformat(line["paid_at"])
            await book(db, books, **{**line, "paid_at": paid_at})
    days = ("--from", golden["day"], "--to", golden["day"])
    out = karcis.folder / "selisih.csv"
    args = (FIXTURES / "clean.csv", *days, "--statement", FIXTURES / "clean.sta", "--out", out)
    told = await karcis("settlement", "compare", *args, "--json")
    assert told.returncode == 3, told.stderr
    said = json.loads(told.stdout)
    assert (said["lines"], said["net_rp"]) == (4, 17_874)
    assert said["matched"] == {"same-rrn": 3}
    assert said["differences"] == {"not-booked": 1}
    assert said["paid_batches"] == 2
    assert out.read_text().count("not-booked,ACQ-") == 1
    refused = await karcis("settlement", "compare", FIXTURES / "bad-lines.csv", *days)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "--dry-run" in refused.stderr


async def test_a_day_is_closed_from_a_shell_only_as_far_as_one_officer_may(karcis: Karcis) -> None:
    day = ("--date", "2026-11-21")
    assert (await karcis("reconcile", *day)).returncode == 0
    done = await karcis("day", "close", *day, "--officer", OFFICER, "--json")
    assert (done.returncode, json.loads(done.stdout)["state"]) == (4, "prepared")
    assert (await karcis("day", "lock", *day, "--officer", CHECKER)).returncode == 2


async def test_a_command_knows_every_table_its_rows_refer_to(karcis: Karcis) -> None:
    asked = """
from pathlib import Path
from server.cli.shell import in_transaction

async def work(db, books):
    from server.database import Base
    return len(Base.metadata.sorted_tables)

print(in_transaction(Path(), work))
"""
    told = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", asked],
        env=karcis.environment,
        capture_output=True,
        text=True,
    )
    assert told.stderr == ""
    assert int(told.stdout) > 40


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
    ("statement", b"bukan mt940", "bad-1: baris 1: kolom tidak ada"),
    ("spot", b"bukan csv", "bad-2: baris pertama harus: zone,"),
    ("spot", b"\xff\xfe", "bad-3: bukan teks UTF-8 / not text in UTF-8"),
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


async def test_a_dry_run_shows_what_a_file_would_do_and_stores_none_of_it(
    karcis: Karcis, transactions: Transactions
) -> None:
    file = FIXTURES / "nicepay-held.csv"
    args = ("settlement", "import", str(file), "--mapping", "nicepay-like")
    told = await karcis(*args, "--dry-run")
    assert (told.returncode, told.stderr) == (0, "")
    assert "PRATINJAU, tidak ada yang disimpan: 4 baris baru" in told.stdout
    assert "ditahan: baris 5, 8" in told.stdout
    async with transactions.begin() as db:
        assert await db.scalar(text("SELECT count(*) FROM imported_files")) == 0
    assert (await karcis(*args)).stdout.startswith("nicepay-held.csv: 4 baris baru")
    assert (await karcis("settlement", "held")).stdout.count("ditahan  2026-11-21") == 2


async def test_a_day_with_taxes_on_its_fees_adds_up_to_its_net(karcis: Karcis) -> None:
    file = FIXTURES / "nicepay.csv"
    await karcis("settlement", "import", str(file), "--mapping", "nicepay-like")
    told = await karcis("reconcile", "--date", "2026-11-21")
    assert "dicairkan Rp22.000 - MDR Rp154 - pajak Rp19 = Rp21.827" in told.stdout


async def test_every_bad_line_is_told_on_a_line_of_its_own(karcis: Karcis) -> None:
    told = await karcis("settlement", "import", str(FIXTURES / "bad-lines.csv"))
    assert told.returncode == 1
    for number in (3, 4, 5, 7):
        assert f"bad-lines.csv: baris {number}:" in told.stderr
    assert "tidak ada yang diambil (4) / nothing was taken in (4)" in told.stderr


async def test_a_mapping_of_ones_own_is_tried_on_a_sample(karcis: Karcis) -> None:
    own, sample = FIXTURES / "own-latin-1.toml", FIXTURES / "own-latin-1.csv"
    told = await karcis("settlement", "mapping", "check", str(own), str(sample))
    assert told.returncode == 0
    assert "own-latin-1.csv: 6 baris, Rp21.846; 0 ditahan, 0 dilewati" in told.stdout
    assert "pemetaan own-latin-1.toml, versi " in told.stdout
    told = await karcis("settlement", "mapping", "check", str(sample), str(sample))
    assert (told.returncode, told.stdout) == (1, "")
    shown = await karcis("statement", "mapping", "show")
    assert "[bank.columns]" in shown.stdout


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
    async with transactions.begin() as db:
        [record] = (await db.scalars(select(SpotFile))).all()
    assert (record.name, record.who[:4], record.rows) == ("spots.csv", "cli:", 1)


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


async def test_the_doctor_tries_what_it_examines(karcis: Karcis, owner_url: str) -> None:
    well = await karcis("doctor")
    assert well.returncode == 0, well.stdout
    assert "ok    database: DATABASE_URL answers" in well.stdout
    assert "ok    database role: karcis_app" in well.stdout
    owning = await karcis("doctor", DATABASE_URL=owner_url)
    assert owning.returncode == 1
    assert "SALAH database role: " in owning.stdout
    assert "may drop the guards" in owning.stdout
    ill = await karcis("doctor", DATABASE_URL="postgresql://postgres@127.0.0.1:9/x")
    assert ill.returncode == 1
    assert "SALAH database: DATABASE_URL: ConnectionRefusedError" in ill.stdout


async def test_only_the_schemas_owner_migrates(
    karcis: Karcis, cluster: str, database_url: str, owner_url: str
) -> None:
    empty = as_role(database_named(cluster, "template1"), APP_ROLE)
    refused = await karcis("migrate", DATABASE_URL=empty)
    assert refused.returncode == 1
    assert "set KARCIS_MIGRATION_URL" in refused.stderr
    unknown = await karcis("verify", DATABASE_URL=as_role(database_url, "karcis_nobody"))
    assert 'role "karcis_nobody" does not exist' in unknown.stderr
    done = await karcis("migrate", KARCIS_MIGRATION_URL=owner_url)
    assert (done.returncode, done.stderr) == (0, f"schema {schema.newest()}\n")


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


async def test_accountants_take_the_ledger_out(
    karcis: Karcis, transactions: Transactions, books: Books
) -> None:
    async with transactions.begin() as db:
        await book(
            db,
            books,
            reference="kami-1",
            acquirer_reference="ACQ-1",
            rrn="1",
            amount_rp=2000,
            paid_at=datetime(2026, 11, 21, 3, tzinfo=UTC),
        )
    span = ("--from", "2026-11-21", "--to", "2026-11-21")
    told, before, as_json, by_account, journal, lines, unknown = await asyncio.gather(
        karcis("ledger", "trial-balance"),
        karcis("ledger", "trial-balance", "--as-of", "2026-11-20", "--json"),
        karcis("ledger", "statement", "1120", *span, "--json"),
        karcis("ledger", "statement", "2120", *span, "--party", "zone:PSR"),
        karcis("ledger", "journal", *span),
        karcis("ledger", "journal", *span, "--json"),
        karcis("ledger", "statement", "9999", *span),
    )
    balances = [line.split() for line in told.stdout.splitlines()]
    assert ["1120", "Piutang", "acquirer", "QRIS", "Rp2.000"] in balances
    assert told.stdout.splitlines()[-1].split() == ["Total", "Rp0"]
    accounts = json.loads(before.stdout)["accounts"]
    assert {account["balance_rp"] for account in accounts} == {0}
    statement = json.loads(as_json.stdout)
    assert (statement["opening_rp"], statement["closing_rp"]) == (0, 2000)
    assert [line["amount_rp"] for line in statement["lines"]] == [2000]
    assert by_account.stdout.splitlines()[-1] == "2026-11-21;;;Saldo akhir;zone:PSR;;;;700"
    assert journal.stdout.splitlines()[1].endswith(";1;1120;Piutang acquirer QRIS;;2000;")
    assert [json.loads(line)["amount_rp"] for line in lines.stdout.splitlines()] == [
        2000, -2000, 800, -700, -100
    ]  # fmt: skip
    assert unknown.returncode == 1
    assert "There is no such account" in unknown.stderr


async def test_rules_are_put_in_force_and_wrong_ones_refused(
    karcis: Karcis, transactions: Transactions
) -> None:
    share = ("share-rule", "add", "--regulation", "SK 1", "--from", "2027-01-01")
    rate = ("mdr-rule", "add", "PSO", "--source", "SE 1", "--from", "2027-01-01")
    refused = await karcis(*share, "--attendant-bp", "4000", "--zone", "PSR")
    assert refused.returncode == 1
    assert "A rule is changed by two officers" in refused.stderr
    async with transactions.begin() as db:
        await db.execute(
            text("UPDATE officers SET switched_off_at = now() WHERE role = 'verifikator'")
        )
    answers = await asyncio.gather(
        karcis(*share, "--attendant-bp", "4000", "--zone", "PSR"),
        karcis(*rate, "--rate-bp", "10", "--free-up-to-rp", "50000"),
        karcis(*share, "--attendant-bp", "4000", "--zone", "XXX"),
        karcis(*share, "--attendant-bp", "10001"),
        karcis(*share, "--attendant-bp", "1", "--remainder-to", "nobody"),
        karcis(*rate[:2], "ABC", *rate[3:], "--rate-bp", "10"),
    )
    assert [answer.returncode for answer in answers] == [0, 0, 1, 1, 1, 1]
    refusals = ("This zone is not known", "more than the whole", "nobody", "ABC")
    for answer, refusal in zip(answers[2:], refusals, strict=True):
        assert refusal in answer.stderr
        assert answer.stderr.count("\n") == 1
    async with transactions.begin() as db:
        shares = await db.execute(
            text("SELECT attendant_bp, regulation FROM share_rules WHERE zone_id IS NOT NULL")
        )
        assert [tuple(row) for row in shares] == [(4000, "SK 1")]
        rates = await db.execute(
            text(
                "SELECT rate_bp, free_up_to_rp, valid_until::text FROM mdr_rules"
                " WHERE criteria = 'PSO' ORDER BY valid_from"
            )
        )
        assert [tuple(row) for row in rates][1:] == [(0, 0, "2026-12-31"), (10, 50_000, None)]


async def test_a_rule_is_proposed_by_one_officer_and_decided_by_another(karcis: Karcis) -> None:
    rule = {"kind": "share", "valid_from": "2099-01-01", "regulation": "SK", "attendant_bp": 4000}
    file = karcis.file("aturan.json", json.dumps(rule))
    told = ("--reason", "uji", "--json", "--officer", "bendahara")
    asked = await karcis("rule", "propose", file, *told)
    assert asked.returncode == 4, asked.stderr
    proposal = json.loads(asked.stdout)["id"]
    decide = ("rule", "decide", proposal, "approve", "--why", "sesuai", "--officer")
    refused = await karcis(*decide, "bendahara")
    assert (refused.returncode, refused.stdout) == (1, "")
    done = await karcis(*decide, "verifikator")
    assert (done.returncode, done.stdout.split()[2]) == (0, "approved"), done.stderr
    shown, listed = await asyncio.gather(karcis("rule", "list"), karcis("rule", "list", "--json"))
    first = json.loads(listed.stdout)["rules"][0]
    assert (first["state"], first["rule"]["attendant_bp"]) == ("coming", 4000)
    assert shown.stdout.startswith("coming     2099-01-01 - ...  Bagi hasil seluruh kabupaten")
    wrong = await karcis("rule", "propose", karcis.file("x.json", "{}"), *told)
    assert (wrong.returncode, wrong.stderr.count("\n")) == (1, 1)


async def test_a_tariff_is_proposed_by_one_officer_and_decided_by_another(karcis: Karcis) -> None:
    rates: dict[str, dict[str, object]] = {"car": {"kind": "flat", "amount_rp": 7000}}
    file = karcis.file("tarif.json", json.dumps({"regulation": "Perda Uji 3", "rates": rates}))
    told = ("--from", "2099-01-01", "--reason", "uji", "--json")
    asked = await karcis("tariff", "propose", "PSR", file, *told, "--officer", "bendahara")
    assert asked.returncode == 4, asked.stderr
    proposal = json.loads(asked.stdout)["id"]
    decide = ("tariff", "decide", proposal, "approve", "--why", "sesuai", "--officer")
    refused = await karcis(*decide, "bendahara")
    assert (refused.returncode, refused.stdout) == (1, "")
    done = await karcis(*decide, "verifikator")
    assert (done.returncode, done.stdout.split()[-1]) == (0, "approved"), done.stderr
    shown, listed = await asyncio.gather(
        karcis("tariff", "list"), karcis("tariff", "list", "--json")
    )
    of_zone = [one for one in json.loads(listed.stdout)["tariffs"] if one["zone"] == "PSR"]
    assert [one["version"]["valid_until"] for one in of_zone] == ["2098-12-31", None]
    assert "PSR  2099-01-01 - ...  Perda Uji 3" in shown.stdout
    closed = {"from": "00:00", "until": "24:00", "weekdays": [], "holidays": True}
    rates["car"]["bands"] = [closed | {"amount_rp": 9000}]
    file = karcis.file("libur.json", json.dumps({"regulation": "Perda Uji 3", "rates": rates}))
    asked = await karcis("tariff", "propose", "RSU", file, *told[:-1], "--officer", "bendahara")
    assert "-12-25  Hari Raya Natal" in asked.stdout, "the days that were filled in"
    bad = karcis.file("rusak.json", "{")
    broken = await karcis("tariff", "propose", "PSR", bad, *told, "--officer", "bendahara")
    assert (broken.returncode, broken.stderr.count("\n")) == (1, 1)


async def test_an_acquirer_is_chosen_by_two_officers_or_at_once(karcis: Karcis) -> None:
    secret = karcis.file("secret", "rahasia")
    further = karcis.file(
        "acquirers.toml",
        '[b]\nprofile = "sandbox"\nurl = "http://127.0.0.1:9"\nclient_key = "k"\n'
        f'client_secret_file = "{secret}"\nmerchant_id = "B"\nsettlement_mapping = "sandbox"\n',
    )
    two = {"KARCIS_ACQUIRERS": str(further)}
    why = ("--reason", "tidak menjawab", "--officer", "bendahara", "--json")
    unknown = await karcis("acquirer", "use", "b", "--at-once", *why)
    assert (unknown.returncode, unknown.stderr.count("\n")) == (1, 1)
    switched = await karcis("acquirer", "use", "b", "--at-once", *why, **two)
    assert switched.returncode == 0, switched.stderr
    choice = json.loads(switched.stdout)
    assert (choice["state"], choice["at_once"]) == ("requested", True)
    asked = await karcis("acquirer", "use", "sandbox", "--from", "2099-01-01", *why, **two)
    assert asked.returncode == 4, asked.stderr
    decide = ("acquirer", "decide", choice["id"], "approve", "--why", "sesuai", "--officer")
    assert (await karcis(*decide, "bendahara")).returncode == 1
    assert (await karcis(*decide, "verifikator")).stdout.split()[-1] == "approved"
    shown, listed = await asyncio.gather(
        karcis("acquirer", "list", **two), karcis("acquirer", "list", "--json", **two)
    )
    assert "in force: all zones  b  tidak menjawab" in shown.stdout, shown.stderr
    told = json.loads(listed.stdout)
    assert [each["name"] for each in told["acquirers"]] == ["sandbox", "b"]
    assert [each["acquirer"] for each in told["waiting"]] == ["sandbox"]


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("", "cannot read"),
        ("[b", "acquirers.toml: "),
        ('[b]\nclient_secret = "rahasia"', "write the secret to a file"),
        ('[b]\nclient_secret_file = "nirgendwo"', "cannot read"),
        ('[b]\nprofile = "sandbox"', "Field required"),
        ("b = 1", "acquirers.toml: "),
        ('["Nama Besar"]\nprofile = "sandbox"', "acquirers.toml: "),
    ],
)
async def test_a_wrong_file_of_acquirers_is_told_in_words_without_a_secret(
    karcis: Karcis, table: str, says: str
) -> None:
    path = karcis.file("acquirers.toml", table) if table else karcis.folder / "acquirers.toml"
    told = await karcis("doctor", KARCIS_ACQUIRERS=str(path))
    assert told.returncode == 1
    assert "SALAH acquirers: KARCIS_ACQUIRERS: " in told.stdout
    assert says in told.stdout
    assert "rahasia" not in told.stdout + told.stderr


async def test_an_attendant_is_asked_for_stopped_and_taken_in_by_files(
    karcis: Karcis, transactions: Transactions
) -> None:
    async with transactions.begin() as db:
        await identity.add_officer(
            db, login="koord", name="Koordinator", role=Role.KOORDINATOR, password="uji"
        )
        await units.add(db, ROOT, Draft("UPT", "UPT Contoh"))
    by = ("--officer", "koord", "--why", "uji")
    asked = await karcis("attendant", "add", "j-002", "--name", "Siti Contoh", *by)
    assert asked.returncode == 4, asked.stderr
    lines = "J-011,Ani,6202011204800003,SK 1,2026-01-02,,PSR-001-U,15,07:00,15:00"
    good = karcis.file("jukir.csv", f"{','.join(COLUMNS)}\n{lines}\n")
    bad = karcis.file("rusak.csv", f"{','.join(COLUMNS)}\n{lines}\nJ-002,Lagi,,,,,,,,\n")
    refused, money, tried, stopped = await asyncio.gather(
        karcis("attendant", "import", bad, *by, KARCIS_PERSON_KEY=PERSON_KEY),
        karcis("attendant", "stop", "J-001", "--officer", "bendahara", "--why", "uji"),
        karcis("attendant", "import", good, "--dry-run", *by, KARCIS_PERSON_KEY=PERSON_KEY),
        karcis("attendant", "stop", "J-001", *by),
    )
    assert (refused.returncode, "line 3: Another attendant has this code" in refused.stderr) == (
        1, True,
    )  # fmt: skip
    assert (money.returncode, "Peran Anda" in money.stderr) == (1, True)
    assert (tried.returncode, tried.stdout) == (0, "1 attendants would be asked for\n")
    assert stopped.returncode == 0, stopped.stderr
    taken, again = await asyncio.gather(
        karcis("attendant", "import", good, "--unit", "upt", *by, KARCIS_PERSON_KEY=PERSON_KEY),
        karcis("attendant", "resume", "J-001", *by),
    )
    assert (taken.returncode, again.returncode) == (4, 4), taken.stderr + again.stderr
    listed = await karcis("attendant", "list", "--json")
    assert [(one["code"], one["state"]) for one in json.loads(listed.stdout)] == [
        ("J-001", "stopped"), ("J-002", "requested"), ("J-011", "requested"),
    ]  # fmt: skip
    of_unit = await karcis("attendant", "list", "--unit", "UPT")
    assert [line.split()[0] for line in of_unit.stdout.splitlines()] == ["J-011"]


async def test_keys_and_webhooks_are_managed_from_the_command_line(karcis: Karcis) -> None:
    unknown = await karcis("key", "issue", "Bapenda", "--scope", "everything")
    assert unknown.returncode == 2
    issued = await karcis("key", "issue", "Bapenda", "--scope", "spots:read", "--json")
    key = json.loads(issued.stdout)
    assert key["key"].startswith("karcis_")
    await karcis("key", "revoke", key["key_id"])
    [listed] = map(json.loads, (await karcis("key", "list")).stdout.splitlines())
    assert listed["revoked_at"] is not None
    assert key["key"] not in json.dumps(listed)

    url = "https://pemda.example/hook"
    assert "KARCIS_WEBHOOK_KEY" in (await karcis("webhook", "add", url)).stderr
    sealed = {"KARCIS_WEBHOOK_KEY": WEBHOOK_KEY}
    added = json.loads((await karcis("webhook", "add", url, "--json", **sealed)).stdout)
    rotated = await karcis("webhook", "rotate", added["id"], **sealed)
    assert rotated.stdout.strip() not in ("", added["secret"])
    await karcis("webhook", "disable", added["id"])
    [webhook] = map(json.loads, (await karcis("webhook", "list")).stdout.splitlines())
    assert (webhook["url"], webhook["disabled_why"]) == (url, "asked")
    since = ("replay", added["id"], "--since", "2026-11-21T00:00:00")
    refused = await karcis("webhook", *since)
    assert (refused.returncode, "enable it first" in refused.stderr) == (1, True)
    await karcis("webhook", "enable", added["id"])
    assert (await karcis("webhook", *since)).stdout == "0 facts are sent again\n"
    assert (await karcis("webhook", "deliveries", added["id"])).stdout == ""


async def test_the_audit_log_is_sealed_signed_handed_out_and_compared(
    karcis: Karcis, keys: Path, tmp_path: Path
) -> None:
    unsigned = await karcis("audit", "checkpoint")
    assert (unsigned.returncode, unsigned.stdout) == (1, "")
    assert "set KARCIS_AUDIT_KEY" in unsigned.stderr
    key = {"KARCIS_AUDIT_KEY": str(keys / "audit.pem")}
    sealed = await karcis("audit", "seal", "--json")
    assert json.loads(sealed.stdout)["sealed"] > 0, sealed.stderr
    signed = await karcis("audit", "checkpoint", "--out", "titik.txt", **key)
    assert (tmp_path / "titik.txt").read_text(encoding="utf-8") == signed.stdout
    verified = await karcis("audit", "verify", "--checkpoint", "titik.txt", **key)
    assert (verified.returncode, verified.stdout[:2]) == (0, "ok"), verified.stdout
    origin, size, root = signed.stdout.splitlines()[:3]
    other = karcis.file("lain.txt", signed.stdout.replace(root, root[::-1].lstrip("=") + "="))
    compared = await karcis("audit", "verify", "--checkpoint", other, "--json", **key)
    assert compared.returncode == 3, compared.stderr
    kinds = {finding["kind"] for finding in json.loads(compared.stdout)["findings"]}
    assert kinds == {"the log was written anew", "not signed by the audit key"}
    refused = await karcis("audit", "verify", "--checkpoint", karcis.file("x.txt", "apa?"), **key)
    assert (refused.returncode, "not a checkpoint" in refused.stderr) == (1, True)
    day = datetime.now(Settings().timezone).date().isoformat()
    exported = await karcis("audit", "export", "--date", day, "hari", **key)
    assert f"{size} baris" in exported.stderr, (origin, exported.stderr)
