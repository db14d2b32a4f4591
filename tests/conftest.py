"""What is made once for a run, or once for each of its workers: a PostgreSQL, and keys."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.examined import pytest_sessionfinish, pytest_testnodedown  # noqa: F401 - hooks

# Without a deadline, as the processors may be shared with others; and the same examples at every
# run, so that a change is judged by itself. `KARCIS_HYPOTHESIS=new` is there to find others.
settings.register_profile("same", deadline=None, derandomize=True)
settings.register_profile("new", deadline=None)
settings.load_profile(os.environ.get("KARCIS_HYPOTHESIS", "same"))

MOST_WORKERS = 4
MEMORY, ROOM = Path("/dev/shm"), 2 * 2**30


def _files_in_memory() -> None:
    """Databases are made and dropped by the thousand, and handhelds wait for a disk at each write.

    Of the processes that are killed nothing is lost by it, and power is cut on disks of their own.
    """
    if "TMPDIR" in os.environ or not MEMORY.is_dir() or os.statvfs(MEMORY).f_flag & os.ST_NOEXEC:
        return
    if shutil.disk_usage(MEMORY).free > ROOM:
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)


_files_in_memory()


def pytest_xdist_auto_num_workers() -> int:
    """Every worker has a cluster of its own; a given server is not shared by several."""
    return 1 if os.environ.get("DATABASE_URL") else min(os.cpu_count() or 1, MOST_WORKERS)


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    """The address of a cluster with a template database, as `tests.server.cluster` makes it.

    A run that forks many others makes one for all of them, and names it in the environment.
    """
    if standing := os.environ.get("KARCIS_TEST_CLUSTER"):
        yield standing
    else:
        from tests.server import cluster  # loads the server, which tests of other parts never do

        with cluster.running() as url:
            yield url


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both sides' RSA keys: karcis.pem, acquirer.pem and their .pub.pem."""
    from server.system import make_keys

    folder = tmp_path_factory.mktemp("keys")
    make_keys(folder)
    return folder
