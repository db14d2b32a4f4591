"""The PostgreSQL from a wheel: data outlive a stop, several may share it, anyone may run it."""

import asyncio
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from server.embedded import EmbeddedPostgres

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Outside pytest's own folder, which is shut to PostgreSQL's user when another run starts."""
    with tempfile.TemporaryDirectory(prefix="karcis-", ignore_cleanup_errors=True) as name:
        yield Path(name)


async def _ask(url: str, *statements: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements[:-1]:
            await connection.execute(statement)
        return await connection.fetchval(statements[-1])
    finally:
        await connection.close()


def ask(url: str, *statements: str) -> object:
    return asyncio.run(_ask(url, *statements))


def test_data_survive_a_stop_and_a_start(folder: Path) -> None:
    with EmbeddedPostgres(folder) as first:
        assert first.url.startswith("postgresql://")
        ask(first.url, "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (7) RETURNING n")
        # A command beside the running server uses the same cluster, and leaves it running.
        beside = (
            "import sys, pathlib; from server.embedded import EmbeddedPostgres\n"
            "with EmbeddedPostgres(pathlib.Path(sys.argv[1])) as p: print(p.url)"
        )
        done = run([sys.executable, "-W", "error", "-c", beside, str(folder)])
        assert done.stdout.strip() == first.url, done.stderr
        assert ask(first.url, "SELECT n FROM kept") == 7
    assert not (folder / "postgres" / "postmaster.pid").exists()
    with EmbeddedPostgres(folder) as second:
        assert ask(second.url, "SELECT n FROM kept") == 7


def run(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        command, capture_output=True, text=True, timeout=300, check=False, cwd=ROOT, **options
    )


ORDINARY = """
import asyncio, sys
from pathlib import Path
import asyncpg
from server.embedded import EmbeddedPostgres

async def who(url):
    connection = await asyncpg.connect(url)
    print(await connection.fetchval("SELECT 40 + 2"))
    await connection.close()

with EmbeddedPostgres(Path(sys.argv[1])) as postgres:
    asyncio.run(who(postgres.url))
"""


def test_an_ordinary_user_can_run_it(folder: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("this test run is an ordinary user's already")
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder)}
    environment["XDG_RUNTIME_DIR"] = str(folder)
    as_nobody = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    try:
        readable = run([sys.executable, "-c", "import server"], env=environment, **as_nobody)
    except PermissionError:
        readable = None
    if readable is None or readable.returncode != 0:
        pytest.skip(f"user nobody cannot read {sys.executable} or {ROOT}")
    done = run([sys.executable, "-c", ORDINARY, str(folder / "data")], env=environment, **as_nobody)
    assert done.stdout.strip() == "42", done.stderr[-2000:]
    owner = (folder / "data" / "postgres").stat().st_uid
    assert owner == nobody.pw_uid
    shutil.rmtree(folder / "data")
