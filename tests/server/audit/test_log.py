"""What is sealed stays as it was, or is found not to be, whatever the database's owner does."""

import asyncio
import json
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from domain.ids import uuid7
from server import sample
from server.audit import checkpoints, service, tree
from server.audit.checkpoints import DayNotSigned, Keeper
from server.audit.export import export
from server.audit.findings import Finding, find
from server.audit.notes import Checkpoint, Signer
from server.audit.sealed import SEALED
from server.audit.tiles import Tree
from server.audit.verifier import verify_consistency, verify_inclusion
from server.database import Transactions
from server.parking import retention
from server.settings import Settings
from tests.forging import put_in
from tests.server.payments.conftest import Office


@pytest.fixture
def signer(settings: Settings) -> Signer:
    found = Signer.of(settings)
    assert found is not None
    return found


@pytest.fixture
async def note(office: Office, transactions: Transactions, signer: Signer, now: datetime) -> str:
    """A town with payments, sealed twice and signed between; the checkpoint as somebody kept it."""
    for rrn in ("A1", "A2"):
        await office.tell(await office.request(), rrn=rrn)
    await service.seal(transactions, now=now)
    async with transactions.begin() as db:
        kept = (await checkpoints.make(db, signer, now=now)).note
    await office.tell(await office.request(), rrn="B1")
    await service.seal(transactions, now=now)
    return kept


async def found(
    transactions: Transactions, signer: Signer | None = None, *notes: str
) -> list[Finding]:
    async with transactions.begin() as db:
        return await find(db, signer, notes)


async def without_guards(db: AsyncSession, *statements: str) -> None:
    """What somebody does who may switch off every guard."""
    connection = await db.connection()
    for statement in ("SET LOCAL session_replication_role = replica", *statements):
        await connection.exec_driver_sql(statement)


async def as_dba(owner: Transactions, *statements: str) -> None:
    async with owner.begin() as db:
        await without_guards(db, *statements)


async def test_each_row_is_sealed_once_and_nothing_is_wrong(
    note: str, transactions: Transactions, signer: Signer, now: datetime
) -> None:
    assert await found(transactions, signer, note) == []
    assert await service.seal(transactions, now=now + timedelta(hours=6), all_rows=True) == 0
    async with transactions.begin() as db:
        size = (await service.head(db)).size
        tables = set(await db.scalars(text("SELECT DISTINCT table_name FROM audit_leaves")))
    assert size > Checkpoint.read(note).size
    assert {"money", "ledger_postings", "charge_changes", "receipts", "audit_changes"} <= tables


EDITS = {
    "an amount is edited": (
        "UPDATE ledger_postings SET amount_rp = amount_rp * 2",
        r"^ledger_postings \S+ \d: edited \(sealed before the checkpoint of \d+ rows",
    ),
    "what money proves is edited": (
        "UPDATE notifications SET outcome = 'repeat' WHERE outcome = 'accepted'",
        r"^notifications \S+: edited",
    ),
    "a row is deleted": (
        "DELETE FROM receipts WHERE money_id = (SELECT id FROM money WHERE rrn = 'A1')",
        r"^receipts \S+: deleted \(sealed before the checkpoint",
    ),
    "a row of before is put in": (
        """INSERT INTO reconciliations (id, business_day, ran_at, difference_count) VALUES
           ('0193568a-0000-7000-8000-000000000000', '2024-11-23', now(), 0)""",
        r"^reconciliations \S+: put in later \(says it is of 2024-11-23 .* did not find it",
    ),
    "two leaves change places": (
        """UPDATE audit_leaves l SET table_name = o.table_name, key = o.key, leaf = o.leaf
           FROM (SELECT 7 - seq AS seq, table_name, key || ' ' AS key, leaf
                 FROM audit_leaves WHERE seq IN (3, 4)) o WHERE o.seq = l.seq;
           UPDATE audit_leaves SET key = trim(key) WHERE seq IN (3, 4)""",
        r" at 3: put in, replaced or in another order \(sealed before",
    ),
    "a leaf is taken out": ("DELETE FROM audit_leaves WHERE seq = 5", r"^leaves 5 to 5: removed"),
    "the tail is cut off": (
        "DELETE FROM audit_leaves WHERE seq > 40",
        r"^the log at 41 rows: cut off \(a sweep of .* found \d+\)",
    ),
    "a part of the tree is another": (
        "INSERT INTO audit_tiles SELECT 1, 0, sha256('x')",
        r"^tile 0 of level 1: not what the leaves say",
    ),
    "somebody is given a role": (
        "UPDATE officers SET role = 'admin'",
        r"^officers \S+: edited \(no change recorded\)",
    ),
    "a password is replaced": (
        "UPDATE officers SET password_hash = 'uji'",
        r"^officers \S+: edited \(no change recorded\)",
    ),
    "a tariff is taken away": ("DELETE FROM tariffs", r"^tariffs \S+: deleted \(no change"),
    "a checkpoint is put in": (
        """INSERT INTO audit_checkpoints SELECT now(), 1, leaf, E'karcis\\n1\\nx\\n\\n'
           FROM audit_leaves WHERE seq = 0""",
        r"^checkpoint of 1 rows: not signed by the audit key",
    ),
}


async def test_tampering_is_found_and_named(
    note: str, owner: Transactions, signer: Signer, subtests: pytest.Subtests
) -> None:
    for what, (statements, told) in EDITS.items():
        with subtests.test(what):
            async with owner() as db:
                await without_guards(db, *statements.split(";"))
                named = [str(finding) for finding in await find(db, signer)]
                await db.rollback()
            assert any(re.search(told, line) for line in named), named


async def test_a_row_of_long_ago_put_into_any_table_is_found(
    note: str, owner: Transactions, subtests: pytest.Subtests
) -> None:
    async with owner() as db:
        for table in SEALED:
            await without_guards(db, *put_in(table))
        named = [str(finding) for finding in await find(db)]
        await db.rollback()
    for table in SEALED:
        with subtests.test(table):
            told = rf"^{table} .*: put in later \(says it is of 2020-01-01 .* did not find it"
            assert any(re.search(told, line) for line in named), named


async def rewrite(owner: Transactions, now: datetime) -> None:
    """All leaves, sweeps, tiles and checkpoints made anew over rows as they now are."""
    tables = "audit_leaves, audit_sweeps, audit_tiles, audit_checkpoints"
    await as_dba(owner, f"TRUNCATE {tables}")
    await service.seal(owner, now=now)


async def test_a_log_written_anew_is_found_by_a_checkpoint_kept_outside(
    note: str, owner: Transactions, transactions: Transactions, signer: Signer, now: datetime
) -> None:
    await as_dba(owner, "UPDATE ledger_postings SET amount_rp = amount_rp * 2")
    await rewrite(owner, now)
    assert await found(transactions, signer) == []  # nothing inside can tell
    size = Checkpoint.read(note).size
    assert [str(finding) for finding in await found(transactions, signer, note)] == [
        f"checkpoint of {size} rows kept outside: the log was written anew"
    ]


async def test_a_tail_cut_off_with_all_that_tells_of_it_is_found_by_a_checkpoint_kept_outside(
    note: str, owner: Transactions, transactions: Transactions, signer: Signer
) -> None:
    await as_dba(
        owner,
        "DELETE FROM audit_leaves WHERE seq > 40",
        "DELETE FROM audit_sweeps",
        "DELETE FROM audit_checkpoints",
    )
    assert not [one for one in await found(transactions, signer) if "checkpoint" in one.since]
    named = [str(finding) for finding in await found(transactions, signer, note)]
    assert any(
        line.startswith("the log at 41 rows: cut off (there is a checkpoint") for line in named
    )


async def test_a_checkpoint_of_another_key_is_not_believed(
    note: str, transactions: Transactions, signer: Signer, tmp_path: Path, settings: Settings
) -> None:
    other = Signer(signer.origin, Ed25519PrivateKey.generate(), [])
    checkpoint = Checkpoint.read(note)
    forged = other.sign(checkpoint.size, checkpoint.root)
    assert [finding.kind for finding in await found(transactions, signer, forged)] == [
        "not signed by the audit key"
    ]
    public = other.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "former.pem").write_bytes(public)
    rotated = Signer.of(settings.model_copy(update={"audit_retired_keys": tmp_path}))
    assert await found(transactions, rotated, forged) == []


async def test_a_change_of_rights_is_written_down_with_who_made_it(
    transactions: Transactions, owner: Transactions
) -> None:
    async with owner.begin() as db:
        await db.execute(text("SELECT set_config('karcis.who', 'cli:uji', true)"))
        change = "UPDATE officers SET role = 'auditor', password_hash = 'baru' WHERE login = :login"
        await db.execute(text(change), {"login": sample.OFFICER})
        await db.execute(text(change), {"login": sample.OFFICER})
    async with transactions.begin() as db:
        rows = (
            await db.execute(
                text(
                    "SELECT act, who, state FROM audit_changes WHERE state ->> 'login' = :login"
                    " ORDER BY id"
                ),
                {"login": sample.OFFICER},
            )
        ).all()
    assert [(row.act, row.who) for row in rows] == [("insert", "karcis_app"), ("update", "cli:uji")]
    assert (rows[0].state["role"], rows[1].state["role"]) == ("bendahara", "auditor")
    assert rows[0].state["password_hash"] != rows[1].state["password_hash"]
    assert "baru" not in json.dumps(rows[1].state)
    assert await found(transactions) == []


async def test_time_zone_and_settings_of_a_session_change_no_leaf(
    note: str, owner: Transactions
) -> None:
    async with owner.begin() as db:
        for setting in ("timezone = 'Asia/Jayapura'", "datestyle = 'German'"):
            await db.execute(text(f"SET LOCAL {setting}"))
        await db.execute(text("SET LOCAL bytea_output = 'escape'"))
        await db.execute(text("SET LOCAL extra_float_digits = -10"))
        await db.execute(text("UPDATE tariffs SET valid_until = '2099-12-31'"))
        await db.execute(text("UPDATE devices SET enrolled_at = now()"))
        await db.execute(text("UPDATE spots SET latitude = -2.5361234567, place = 'uji'"))
        assert await find(db) == []


async def test_plates_destroyed_in_time_break_nothing(
    note: str, office: Office, transactions: Transactions, signer: Signer, now: datetime
) -> None:
    later = now + timedelta(days=400)
    await office.rows(
        "UPDATE parking_sessions SET plate_masked = 'KH …', plate_hash = 'uji' RETURNING 1"
    )
    assert await retention.destroy_plates(transactions, timedelta(days=30), now=later) > 0
    await service.seal(transactions, now=later, all_rows=True)
    assert await found(transactions, signer, note) == []


async def test_two_sealers_at_once_make_one_chain(
    office: Office, transactions: Transactions, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "AT_ONCE", 3)
    for rrn in ("A1", "A2"):
        await office.tell(await office.request(), rrn=rrn)
    counts = await asyncio.gather(*(service.seal(transactions, now=now) for _ in range(3)))
    counts.append(await service.seal(transactions, now=now, all_rows=True))
    async with transactions.begin() as db:
        assert sum(counts) == (await service.head(db)).size
    assert await found(transactions) == []


async def test_a_sealer_that_dies_leaves_a_whole_chain(
    office: Office, transactions: Transactions, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "AT_ONCE", 3)
    await office.tell(await office.request(), rrn="A1")
    pages = 0

    def die(point: str) -> None:
        nonlocal pages
        pages += 1
        if pages == 9:
            raise ConnectionError

    with monkeypatch.context() as dying:
        dying.setattr(service, "crash_point", die)
        with pytest.raises(ConnectionError):
            await service.seal(transactions, now=now)
    async with transactions.begin() as db:
        assert 0 < (await service.head(db)).size < 9 * 3
        assert (await db.scalar(text("SELECT count(*) FROM audit_sweeps"))) == 0
    assert await service.seal(transactions, now=now) > 0
    assert await found(transactions) == []


async def test_a_row_committed_late_is_sealed_by_the_next_sweep(
    office: Office, transactions: Transactions, now: datetime
) -> None:
    earlier = await office.request()
    async with transactions.begin() as late:
        await late.execute(
            text("""INSERT INTO charge_changes
                (id, charge_id, changed_at, state_before, state_after, who, why)
                SELECT CAST(:id AS uuid), id, now(), 'new', 'issuing', 'uji', 'uji' FROM charges
                WHERE id = :charge"""),
            {
                "id": str(uuid7(int(now.timestamp() * 1000) - 5_000, bytes(10))),
                "charge": earlier,
            },
        )
        await service.seal(transactions, now=now)
    assert await service.seal(transactions, now=now + timedelta(minutes=1)) == 1
    assert await found(transactions) == []


async def test_proofs_hold_over_tiles_of_every_level(
    transactions: Transactions, now: datetime
) -> None:
    count = 256 * 256 + 300
    data = [("uji", str(number), b"%d" % number) for number in range(count)]
    async with transactions.begin() as db:
        for at in range(0, count, 10_007):
            await service.append(db, data[at : at + 10_007], now)
        assert await db.scalar(text("SELECT max(level) FROM audit_tiles")) == 2
        stored, grown = Tree(db, count), tree.Frontier()
        for number, (_, _, row) in enumerate(data, start=1):
            grown.add(tree.leaf_hash(row))
            if number in (1, 255, 256, 257, 65_536, 65_537, count):
                assert await stored.root(number) == grown.root()
        root = grown.root()
        for index in (0, 255, 256, 65_535, 65_536, count - 1):
            path = await stored.hashes(tree.inclusion(index, count))
            leaf = tree.leaf_hash(data[index][2])
            assert verify_inclusion(leaf, index, count, path, root)
        for old in (1, 257, 65_536, 65_540):
            path = await stored.hashes(tree.consistency(old, count))
            assert verify_consistency(old, count, await stored.root(old), root, path)


def checked(folder: Path) -> tuple[int, str]:
    """What the program in an export says, run alone."""
    program = [sys.executable, "-I", "periksa.py", "."]
    done = subprocess.run(program, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


async def test_an_export_is_checked_without_karcis(
    note: str,
    office: Office,
    transactions: Transactions,
    signer: Signer,
    settings: Settings,
    now: datetime,
    tmp_path: Path,
) -> None:
    day = now.astimezone(settings.timezone).date()
    out, zone = tmp_path / "hari", settings.timezone
    later = now + timedelta(days=2)
    async with transactions.begin() as db:
        with pytest.raises(DayNotSigned):
            await export(db, day, out, signer, zone)
        await office.tell(await office.request(), rrn="C1")
    await service.seal(transactions, now=later, all_rows=True)
    async with transactions.begin() as db:
        await checkpoints.make(db, signer, now=later)
        out.mkdir()
        rows = await export(db, later.astimezone(zone).date(), out, signer, zone, earlier=note)
    code, told = checked(out)
    assert code == 0, told
    assert f"ok    {rows} rows are in the log 127.0.0.1:8080/v1/audit of" in told
    assert "is signed by a key that export.json names" in told
    assert "extends that of the earlier checkpoint" in told
    sealed = [json.loads(line) for line in (out / "rows.jsonl").read_text().splitlines()]
    tables = {json.loads(line["row"])["table"] for line in sealed}
    assert {"money", "receipts", "notifications"} <= tables

    for file, old, new in (
        ("rows.jsonl", '"amount_rp\\":\\"', '"amount_rp\\":\\"9'),
        ("export.json", f'"rows": {rows}', f'"rows": {rows + 1}'),
        ("checkpoint.txt", "127.0.0.1", "127.0.0.2"),
        ("earlier-checkpoint.txt", note.split("\n")[2], (note.split("\n")[2][::-1])),
    ):
        copy = tmp_path / f"ubah-{file}"
        shutil.copytree(out, copy)
        content = (copy / file).read_text(encoding="utf-8")
        assert old in content, file
        (copy / file).write_text(content.replace(old, new, 1), encoding="utf-8")
        code, told = checked(copy)
        assert code == 3, (file, told)
        assert "WRONG" in told


async def test_a_checkpoint_a_day_is_made_told_and_left_for_others(
    office: Office,
    transactions: Transactions,
    signer: Signer,
    settings: Settings,
    api: httpx.AsyncClient,
    tmp_path: Path,
) -> None:
    absent = await api.get("/v1/audit/checkpoint")
    assert (absent.status_code, absent.json()["type"].rpartition(":")[2]) == (404, "no-checkpoint")
    keeper = Keeper(transactions, signer, tmp_path / "titik", settings.timezone)
    day = datetime(2026, 11, 23, 1, tzinfo=UTC)
    await keeper.keep(now=day)
    await office.tell(await office.request(), rrn="A1")
    await keeper.keep(now=day + timedelta(hours=5))
    await keeper.keep(now=day + timedelta(hours=23))
    files = sorted((tmp_path / "titik").iterdir())
    assert [re.sub(r"-\d+\.txt", "", file.name) for file in files] == ["2026-11-23", "2026-11-24"]
    told = await api.get("/v1/audit/checkpoint")
    assert told.text == files[1].read_text(encoding="utf-8")
    assert told.headers["content-type"] == "text/plain; charset=utf-8"
    assert signer.believes(told.text)
    first, second = (Checkpoint.read(file.read_text()) for file in files)
    assert 0 < first.size < second.size
    async with transactions.begin() as db:
        assert await Tree(db, second.size).root(first.size) == first.root
    assert await found(transactions, signer, *(file.read_text() for file in files)) == []


async def test_neither_the_application_nor_an_owner_changes_the_log(
    note: str, owner: Transactions, transactions: Transactions
) -> None:
    for who, refusal in ((transactions, "permission denied"), (owner, "insert-only")):
        for table in ("audit_leaves", "audit_changes", "audit_checkpoints"):
            with pytest.raises(DBAPIError, match=refusal):
                async with who.begin() as db:
                    await db.execute(text(f"DELETE FROM {table}"))
