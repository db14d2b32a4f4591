"""The HTTP interface does what its OpenAPI document says, on a real socket, whatever is sent to it.

`KARCIS_SCHEMATHESIS_S` is how many seconds it is tried with invented requests.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from server import sample
from server.database import create_engine, create_transactions
from server.identity import api_keys
from server.identity.api_keys import Scope
from server.system import SERVER, System
from tests.ports import free_port
from tests.server.handhelds import Handheld, approved, nonce_for
from tests.system.conftest import folder

SECONDS = os.environ.get("KARCIS_SCHEMATHESIS_S", "40")
SEED = ["--seed=20261121"] if SECONDS == "40" else []
"""The same requests at every change; longer runs are there to find others."""
PHASES = "fuzzing,stateful" if SECONDS == "40" else "examples,coverage,fuzzing,stateful"
CONFIG = """
[auth.openapi.apiKey]
bearer = "{key}"
[auth.openapi.shift]
bearer = "{shift}"
[parameters]
"path.spot" = "{spot}"
# A stream that goes on, of a spot that is known.
[[operations]]
include-operation-id = "display_events"
enabled = false
# Nobody can invent a signature.
[[operations]]
include-tag = "acquirer"
checks.positive_data_acceptance.enabled = false
# What a schema cannot say: which addresses may be called, what has a price, what a barcode is.
[[operations]]
include-operation-id = [
    "add_webhook", "cancel_charge", "charge_stay_consumer", "pool_charge", "push",
    "request_charge", "scan_consumer", "start_stay", "take_cash", "take_stay_voucher",
    "take_voucher",
]
checks.positive_data_acceptance.expected-statuses = ["2xx", "401", "403", "404", "409", "422"]
"""
UNLIMITED = (
    "DRIVER_CHARGES_PER_MINUTE",
    "SPOT_CHARGES_PER_MINUTE",
    "OPEN_CHARGES_PER_ADDRESS",
    "OPEN_CHARGES_PER_SPOT",
    "RECEIPT_LOOKUPS_PER_MINUTE",
    "KEY_REQUESTS_PER_MINUTE",
    "DISPLAY_REQUESTS_PER_MINUTE",
)


@pytest.fixture
def unlimited(monkeypatch: pytest.MonkeyPatch) -> Iterator[System]:
    """A system of the test's own: it is asked more than one address may, and left in a mess."""
    for name in UNLIMITED:
        monkeypatch.setenv(f"KARCIS_{name}", "1000000")
    with folder() as made, System(made, free_port(4), own_database=True) as running:
        yield running


async def credentials(system: System) -> tuple[str, Handheld]:
    """An API key with every scope, and a handheld with an attendant on shift."""
    engine = create_engine(system.database_url)
    transactions, now = create_transactions(engine), datetime.now(UTC)
    async with transactions.begin() as db:
        issued = await api_keys.issue(db, "uji", tuple(Scope), created_by="uji", now=now)
    async with httpx.AsyncClient(base_url=system.url(SERVER), trust_env=False) as api:
        handheld = await approved(transactions, now)
        nonce = await nonce_for(api, handheld)
        body = handheld.shift_request(nonce, pin=system.secrets["attendant_pin"])
        opened = await api.post("/v1/shifts", json=body)
    await engine.dispose()
    handheld.token = opened.json()["token"]
    return issued.key, handheld


def key_of(handheld: Handheld) -> str:
    return handheld.key.private_bytes_raw().hex()


@pytest.mark.timeout(int(SECONDS) + 600)
def test_the_interface_does_what_its_document_says(unlimited: System, tmp_path: Path) -> None:
    key, handheld = asyncio.run(credentials(unlimited))
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG.format(key=key, shift=handheld.token, spot=sample.first_spot()))
    done = subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"),
            f"--config-file={config}",
            "run",
            f"{unlimited.url(SERVER)}/openapi.json",
            "--max-examples=20",
            f"--max-time={SECONDS}",
            f"--phases={PHASES}",
            "--no-color",
            *SEED,
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=os.environ
        | {
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "SCHEMATHESIS_HOOKS": "tests.system.signing_hooks",
            "KARCIS_TEST_DEVICE": f"{handheld.device_id} {key_of(handheld)} {handheld.token}",
        },
    )
    log = (unlimited.data_dir / "logs" / "server.log").read_text()
    assert done.returncode == 0, f"{done.stdout[-20_000:]}\n{log[-5_000:]}"
