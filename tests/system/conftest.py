"""The whole system as its real processes, once for all tests that need it."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from server import sample
from server.system import HANDHELD, SANDBOX, SERVER, System
from tests.ports import free_port


@contextmanager
def folder() -> Iterator[Path]:
    """Not in pytest's own, which another run that starts shuts to the database."""
    with tempfile.TemporaryDirectory(prefix="karcis-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    with folder() as made:
        yield made


@pytest.fixture(scope="session")
def system() -> Iterator[System]:
    with folder() as made, System(made, free_port(4)) as running:
        yield running


@pytest.fixture(scope="session")
def server(system: System) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=system.url(SERVER), timeout=60, trust_env=False) as client:
        yield client


@pytest.fixture(scope="session")
def wallet(system: System) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=system.url(SANDBOX), timeout=60, trust_env=False) as client:
        yield client


@pytest.fixture(scope="session")
def handheld(system: System) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=system.url(HANDHELD), timeout=60, trust_env=False) as client:
        yield client


@pytest.fixture
def spot() -> str:
    return sample.first_spot()
