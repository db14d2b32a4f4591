"""A real Chromium on a real socket, before the server with its own database and sandbox."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from playwright.async_api import Browser, async_playwright, expect

from tests.browser.screen import Screens
from tests.server.conftest import (  # noqa: F401 - fixtures, found by their names
    api,
    app,
    books,
    database_url,
    now,
    owner,
    owner_url,
    sandbox,
    settings,
    transactions,
)
from tests.server.payments.conftest import on_a_socket

# Nothing here is about speed, and the processors may be shared with others.
expect.set_options(timeout=60_000)


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        yield browser
        await browser.close()


@pytest.fixture
async def site(app: FastAPI) -> AsyncIterator[str]:  # noqa: F811 - the fixture, not the import
    async with on_a_socket(app) as url:
        yield url


@pytest.fixture
async def screens(chromium: Browser, site: str, tmp_path: Path) -> AsyncIterator[Screens]:
    """Opens pages; a script error, a blocked resource or a bad answer fails the test at its end."""
    opened = Screens(chromium, site)
    yield opened
    await opened.close()
