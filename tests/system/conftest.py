"""The whole system as its real processes, once for all tests that need it."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from server import sample
from server.system import HANDHELD, SANDBOX, SERVER, System, free_ports


@pytest.fixture(scope="session")
def system() -> Iterator[System]:
    """Outside pytest's own folder, which is shut to PostgreSQL's user when another run starts."""
    with (
        tempfile.TemporaryDirectory(prefix="karcis-", ignore_cleanup_errors=True) as folder,
        System(Path(folder), free_ports()) as running,
    ):
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
