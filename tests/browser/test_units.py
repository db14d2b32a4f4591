"""Units in Chromium: two officers move a street, and its coordinator sees nothing else."""

from typing import Any

from fastapi import FastAPI
from playwright.async_api import expect
from sqlalchemy import update

from server import sample
from server.database import Transactions
from server.identity import service as identity
from server.identity import units
from server.identity.models import ROOT, Officer, Role
from server.identity.units import Draft
from server.limits import RateLimit
from tests.browser.screen import Screens
from tests.browser.test_office import day_end
from tests.browser.test_officers import sign_in
from tests.browser.test_own_account import confirm
from tests.server.cluster import CHECKER_PASSWORD, PASSWORD

__all__ = ["day_end"]


async def test_a_unit_is_made_and_its_officers_see_only_its_streets(
    screens: Screens, app: FastAPI, day_end: dict[str, Any], transactions: Transactions
) -> None:
    app.state.office_limit = RateLimit(10_000)
    screens.expected_statuses |= {401, 403, 404}
    async with transactions.begin() as db:
        other = await units.add(db, ROOT, Draft("UPT-UTARA", "UPT Utara"))
        for login, role, unit in (
            (sample.ADMIN, Role.ADMIN, ROOT),
            ("koor", Role.KOORDINATOR, other),
            ("pembantu", Role.BENDAHARA, other),
        ):
            await identity.add_officer(
                db, login=login, name=f"Contoh {login}", role=role, password=PASSWORD
            )
            await db.execute(update(Officer).where(Officer.login == login).values(unit_id=unit))
    koor = await sign_in(screens, "koor", PASSWORD)
    await koor.goto("/office/spots")
    await expect(koor.locator("main")).not_to_contain_text("PSR-001-U")
    admin = await sign_in(screens, sample.ADMIN, PASSWORD)
    await admin.get_by_role("link", name="Unit", exact=True).first.click()
    await admin.get_by_label("Kodenya").fill("psr")
    await admin.get_by_label("Ke unit").select_option(label="– UPT Utara")
    await admin.get_by_label("Alasan").fill("SK pembagian wilayah")
    await confirm(admin, "Minta persetujuan")
    await expect(admin.get_by_role("status")).to_contain_text("PSR Pasar Contoh")
    await screens.examine(admin, "units")
    checker = await sign_in(screens, sample.CHECKER, CHECKER_PASSWORD)
    await checker.goto("/office/units")
    await confirm(checker, "Setujui", CHECKER_PASSWORD)
    await expect(checker.locator("tbody").first).to_contain_text("PSR Pasar Contoh")
    await screens.examine(checker, "units-decided")
    for page, name in (("map", "peta"), ("spots", "titik"), ("shifts", "giliran")):
        await koor.goto(f"/office/{page}")
        await expect(koor.locator("header")).to_contain_text("UPT Utara")
        if page != "shifts":
            await expect(koor.locator("main")).to_contain_text("PSR-001-U")
        await expect(koor.locator("main")).not_to_contain_text("RSU-")
        await screens.examine(koor, f"unit-{name}")
    await koor.goto("/office/signs/RSU-001-J")
    await expect(koor.locator("h1")).to_have_text("Titik parkir tidak dikenal")
    aide = await sign_in(screens, "pembantu", PASSWORD)
    await screens.examine(aide, "unit-hari-ini")
    await aide.get_by_role("link", name="Transaksi").first.click()
    await expect(aide.locator("tbody tr").first).to_contain_text("PSR-")
    await screens.examine(aide, "unit-transaksi")
    await expect(aide.locator("nav.places").first).not_to_contain_text("Penutupan hari")
    await aide.goto("/office/days")
    await expect(aide.locator("h1")).to_have_text(
        "Hanya petugas untuk seluruh kabupaten yang boleh melakukan ini"
    )


async def test_a_units_officers_add_approve_and_move_an_attendant(
    screens: Screens, app: FastAPI, day_end: dict[str, Any], transactions: Transactions
) -> None:
    app.state.office_limit = RateLimit(10_000)
    screens.expected_statuses |= {401, 404}
    async with transactions.begin() as db:
        upper = await units.add(db, ROOT, Draft("UPT-UTARA", "UPT Utara"))
        await units.add(db, upper, Draft("UPT-PASAR", "UPT Pasar"))
        for login, role in (("koor", Role.KOORDINATOR), ("verif", Role.VERIFIKATOR)):
            await identity.add_officer(
                db, login=login, name=f"Contoh {login}", role=role, password=PASSWORD
            )
            await db.execute(update(Officer).where(Officer.login == login).values(unit_id=upper))
    koor = await sign_in(screens, "koor", PASSWORD)
    await koor.goto("/office/attendants")
    await expect(koor.locator("tbody")).to_have_text("Tidak ada yang cocok.")
    form = koor.locator("form", has=koor.get_by_role("button", name="Minta ditambahkan"))
    await form.locator("[name=code]").fill("j-101")
    await form.get_by_label("Nama").fill("Ani Contoh")
    await expect(form.get_by_label("Unit")).to_contain_text("UPT Pasar")
    await expect(form.get_by_label("Unit")).not_to_contain_text("Pusat")
    await form.get_by_label("Alasan").fill("pasar baru")
    await screens.examine(koor, "unit-juru-parkir-baru")
    await confirm(koor, "Minta ditambahkan")
    await expect(koor.locator(".facts")).to_contain_text("UPT Utara")
    verif = await sign_in(screens, "verif", PASSWORD)
    await verif.get_by_role("link", name="Ani Contoh").click()
    await screens.examine(verif, "unit-juru-parkir-diminta")
    await verif.get_by_label("Catatan").fill("SK dilihat")
    await confirm(verif, "Setujui")
    await expect(verif.get_by_role("status")).to_have_text("aktif")
    await koor.reload()
    await koor.get_by_text("Pindahkan ke unit lain", exact=True).click()
    form = koor.locator("form", has=koor.get_by_role("button", name="Minta dipindahkan"))
    await form.get_by_label("Ke unit").select_option(label="– UPT Pasar")
    await form.get_by_label("Alasan").fill("dekat rumahnya")
    await screens.examine(koor, "unit-juru-parkir", english=False)
    await confirm(koor, "Minta dipindahkan")
    await expect(koor.locator("main")).to_contain_text("Menunggu verifikator yang mengurus kedua")
    await verif.goto("/office")
    await verif.get_by_role("link", name="Ani Contoh").click()
    await screens.examine(verif, "unit-juru-parkir-pindah")
    await confirm(verif, "Setujui")
    await expect(verif.locator(".facts").first).to_contain_text("UPT Pasar")
    await screens.examine(verif, "unit-juru-parkir-dipindahkan")
