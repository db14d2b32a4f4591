"""Stays by the hour are paid at their end by a wallet that is scanned, or by a voucher."""

import csv
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from server.system import SANDBOX, System
from tests.faults.gate import Mode
from tests.system.kerb import Kerb, behind_a_gate, until

HOURLY = "RSU-003-I"


def karcis(system: System, *arguments: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "server", *arguments, "--data", str(system.data_dir)],
        env={**os.environ, **system._server_environment()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def voucher(system: System, tmp_path: Path) -> str:
    """The text of one that is worth an hour of a car."""
    out = tmp_path / "vouchers.csv"
    wanted = ("--count", "1", "--amount-rp", "4000", "--valid-until", "2099-12-31")
    of = ("--seller", "Koperasi Pasar", "--reason", "stok", "--officer", "bendahara")
    asked = karcis(system, "voucher", "issue", *wanted, *of, code=4).split()[0]
    agreed = ("approve", "--why", "ya", "--officer", "verifikator")
    karcis(system, "voucher", "decide", asked, *agreed)
    karcis(system, "voucher", "print", "1", str(out), "--officer", "bendahara")
    with out.open(encoding="utf-8-sig") as file:
        return next(csv.DictReader(file, delimiter=";"))["qr"]


class Ending(Kerb):
    """An attendant before cars that leave."""

    async def start(self) -> str:
        before = await self._stays()
        body = {"spot": HOURLY, "vehicle_class": "car"}
        assert (await self.http.post("/stays", data=body)).is_success
        (stay_id,) = await self._stays() - before
        return stay_id

    async def _stays(self) -> set[str]:
        return set(re.findall(r'href="/stays/([^"]+)"', await self.screen(f"/spots/{HOURLY}")))

    async def screen(self, path: str) -> str:
        return (await self.http.get(path)).text

    async def leave(self, stay_id: str, text: str) -> str:
        """The second tap, the scan, and the button it offers; the charge."""
        asked = await self.http.post(f"/stays/{stay_id}/leave", data={"by": "scan"})
        assert asked.url.path == f"/stays/{stay_id}/scan", asked.url
        seen = (await self.http.post(asked.url.path, data={"text": text})).text
        (action,) = re.findall(rf'action="(/stays/{stay_id}/(?:wallet|voucher))"', seen)
        fields = dict(
            re.findall(r'name="(id|voucher|consumer_qr|amount_rp)" value="([^"]+)"', seen)
        )
        pressed = await self.http.post(action, data=fields)
        assert pressed.url.path == f"/charges/{fields['id']}", pressed.text
        return fields["id"]

    async def says(self, path: str, words: str) -> None:
        async def said() -> bool:
            return words in await self.screen(path)

        await until(said)


@pytest.fixture
async def phone(system: System) -> AsyncIterator[httpx.AsyncClient]:
    """The driver's wallet, and the acquirer's switches."""
    url = system.url(SANDBOX)
    async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as client:
        yield client


async def shown(phone: httpx.AsyncClient, outcome: str) -> str:
    answer = await phone.post("/wallet/codes", json={"outcome": outcome})
    assert answer.is_success, answer.text
    return str(answer.json()["qris"])


async def test_what_a_driver_shows_pays_a_stay_at_its_end(
    system: System, phone: httpx.AsyncClient, voucher: str
) -> None:
    kerb = Ending(system)
    async with behind_a_gate(system) as gate:
        await kerb.sign_in(HOURLY)
        stay = await kerb.start()
        refused = await kerb.leave(stay, await shown(phone, "insufficient"))
        await kerb.says(f"/charges/{refused}", "Dompet pengemudi menolak")
        await kerb.says(f"/stays/{stay}", "charge stay is-owed")
        paid = await kerb.leave(stay, await shown(phone, "pay"))
        await kerb.says(f"/charges/{paid}", "charge is-paid")
        await kerb.says(f"/stays/{stay}", "charge stay is-paid")

        doubted = await kerb.start()
        body = {"fault": "cpm_payment_no_answer_after_booking", "times": 1}
        assert (await phone.post("/sandbox/faults", json=body)).status_code == 201
        unknown = await kerb.leave(doubted, await shown(phone, "pay"))
        await kerb.says(f"/charges/{unknown}", "charge is-paid")
        await kerb.says(f"/stays/{doubted}", "charge stay is-paid")

        alone, other = await kerb.start(), await kerb.start()
        await until(kerb.synced)
        await kerb.cut(gate)
        taken = await kerb.leave(alone, voucher)
        assert "charge is-voucher" in await kerb.screen(f"/charges/{taken}")
        gate.mode = Mode.OPEN
        await kerb.says(f"/charges/{taken}", "charge is-paid")
        await kerb.says(f"/stays/{alone}", "charge stay is-paid")
        again = await kerb.http.post(f"/stays/{other}/scan", data={"text": voucher})
        assert "SUDAH DIPAKAI" in again.text
        assert f"/stays/{other}/voucher" not in again.text
    await kerb.http.aclose()
    karcis(system, "verify")
