"""By the city's portal in Chromium: there, back, and in, past cookies that stay at home."""

import re

import pytest
from fastapi import FastAPI
from playwright.async_api import expect
from pydantic import SecretStr
from sqlalchemy import update

from server import sample
from server.database import Transactions
from server.identity.models import Officer
from server.settings import Settings
from tests.browser.screen import Screens
from tests.server.office.portal import CLAIMS, provider  # noqa: F401 - a fixture, by name

AFAR = re.compile(r"https?://(?!localhost|127\.)")


@pytest.fixture
def settings(settings: Settings, provider: str) -> Settings:  # noqa: F811 - the fixture
    """For a browser the portal is another site than ours: another name."""
    return settings.model_copy(
        update={
            "oidc_issuer": provider.replace("127.0.0.1", "localhost"),
            "oidc_client_id": "karcis",
            "oidc_client_secret": SecretStr("rahasia portal"),
        }
    )


async def test_an_officer_comes_in_by_the_portal(
    screens: Screens, app: FastAPI, transactions: Transactions
) -> None:
    screens.expected_statuses |= {403, 404}  # the portal has no icon
    app.state.portal.return_to = f"{screens.site}/office/portal/return"
    page = await screens.open("/office/sign-in")
    # The portal's own page fetches its looks from afar.
    await page.context.route(AFAR, lambda route: route.fulfill(body=""))
    await screens.examine(page, "sign-in-portal")
    await page.get_by_role("link", name="Lewat portal kota").click()
    await page.get_by_role("button", name="s-1", exact=True).click()
    await expect(page.locator("h1")).to_contain_text("Akun portal ini belum dihubungkan")
    await screens.examine(page, "portal-unknown", english=False)
    async with transactions.begin() as db:
        await db.execute(
            update(Officer)
            .where(Officer.login == sample.OFFICER)
            .values(portal_account=CLAIMS["sub"])
        )
    # Nothing comes where it leads on to, so that it stays to be looked at.
    await page.route(f"{screens.site}/office", lambda route: route.fulfill(status=204))
    await page.goto("/office/portal")
    await page.get_by_role("button", name="s-1", exact=True).click()
    await expect(page.locator("h1")).to_contain_text("Anda sudah masuk")
    await screens.examine(page, "portal-return", english=False)
    await page.unroute(f"{screens.site}/office")
    await page.get_by_role("link", name="Lanjut ke kantor").click()
    await expect(page.locator("h1")).to_contain_text("Hari ini")
