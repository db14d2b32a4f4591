"""The office's page of the audit log, in Chromium, before a checker."""

import io
import json
from base64 import b64decode
from datetime import UTC, datetime
from pathlib import Path

import zxingcpp
from PIL import Image
from playwright.async_api import expect
from sqlalchemy import text

from server import sample
from server.audit import checkpoints, service
from server.audit.notes import Signer
from server.audit.verifier import leaf_hash, read_checkpoint, verify_inclusion
from server.database import Transactions
from server.settings import Settings
from tests.browser.screen import Screens, left_in_bahasa
from tests.browser.test_officers import sign_in
from tests.server.cluster import CHECKER_PASSWORD


async def test_a_checker_keeps_a_checkpoint_and_sees_who_changed_what(
    screens: Screens, transactions: Transactions, keys: Path
) -> None:
    page = await sign_in(screens, sample.CHECKER, CHECKER_PASSWORD)
    await page.get_by_role("link", name="Catatan audit").click()
    await expect(page.locator("main")).to_contain_text("Titik periksa dibuat setiap hari")
    now = datetime.now(UTC)
    signer = Signer.of(Settings(public_url="https://parkir.example", audit_key=keys / "audit.pem"))
    assert signer is not None
    await service.seal(transactions, now=now)
    async with transactions.begin() as db:
        made = await checkpoints.make(db, signer, now=now)
    await page.get_by_label("Cari nomor").fill(sample.OFFICER)
    await page.get_by_role("button", name="Cari").click()
    await expect(page.locator("pre")).to_have_text(made.note.rstrip("\n"))
    source = await page.get_by_alt_text("Barcode titik periksa ini").get_attribute("src")
    with Image.open(io.BytesIO(b64decode(str(source).partition(",")[2]))) as picture:
        [code] = zxingcpp.read_barcodes(picture)
    assert code.text == made.note
    change = page.locator("details", has_text="officers")
    await change.locator("summary").click()
    await expect(change).to_contain_text("bendahara")
    await screens.examine(page, "audit", english=False)
    await page.goto(f"{page.url}&lang=en")
    known = await page.locator("pre, dl, code").all_inner_texts()
    said = await page.locator("body").inner_text()
    for shown in known:
        said = said.replace(shown, "")
    assert left_in_bahasa(said) == []
    async with transactions.begin() as db:
        entry = (await db.execute(text("SELECT key FROM audit_leaves WHERE seq = 7"))).one()
    await page.get_by_label("Look for").fill(entry.key)
    await page.get_by_role("button", name="Search").click()
    place = await page.get_by_role("link", name="Proof 7").get_attribute("href")
    answer = await page.request.get(page.url.partition("/office")[0] + str(place))
    told = json.loads(await answer.text())
    _, size, root = read_checkpoint(told["checkpoint"])
    steps = [b64decode(code) for code in told["proof"]]
    assert verify_inclusion(leaf_hash(told["row"].encode()), 7, size, steps, root)
