"""Processes killed in the middle of a payment: the money still arrives, once."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest

from server.faults import CRASH_AT
from server.system import System

WAIT_S = 120.0


def eventually(look: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        try:
            found = look()
        except httpx.TransportError:
            found = None
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"not within {WAIT_S} s")


def restart_server(system: System, crash_at: str = "") -> None:
    """Start the server process anew, to die at a named point when one is given."""
    program = system.programs["server"]
    program.kill()
    program.environment = {**program.environment, CRASH_AT: crash_at}
    program.start()
    eventually(lambda: httpx.get(f"{system.url(0)}/readyz", trust_env=False).status_code == 200)


def invariants_hold(system: System) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "server", "verify", "--json"],
        env={"DATABASE_URL": system.database_url, "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert json.loads(done.stdout)["violations"] == 0, done.stdout


def order_of(wallet: httpx.Client, charge_id: str) -> dict[str, Any] | None:
    reference = charge_id.replace("-", "")
    orders = wallet.get("/sandbox/truth").json()["orders"]
    return next((o for o in orders if o["partner_reference_no"] == reference), None)


def die_asking(system: System, server: httpx.Client, spot: str) -> tuple[str, dict[str, str]]:
    """Ask for a charge on a server that dies once the acquirer has answered."""
    restart_server(system, crash_at="generated-not-recorded")
    charge_id = str(uuid4())
    body = {"id": charge_id, "vehicle_class": "car"}
    with pytest.raises(httpx.TransportError):
        server.post(f"/v1/spots/{spot}/charges", json=body)
    assert system.programs["server"].process is not None
    assert system.programs["server"].process.wait(60) == -9
    return charge_id, body


def test_paid_while_the_server_lay_dead_between_answer_and_record(
    system: System, server: httpx.Client, wallet: httpx.Client, spot: str
) -> None:
    charge_id, body = die_asking(system, server, spot)
    order = order_of(wallet, charge_id)
    assert order is not None, "the acquirer booked the order before the server died"
    paid = wallet.post("/wallet/pay", json={"qris": order["qr_content"], "outcome": "pay"}).json()

    restart_server(system)
    charge = eventually(
        lambda: (c := server.get(f"/v1/charges/{charge_id}").json())["state"] == "paid" and c
    )
    assert charge["receipt"]["rrn"] == paid["rrn"]
    again = server.post(f"/v1/spots/{spot}/charges", json=body).json()
    assert (again["id"], again["receipt"]) == (charge_id, charge["receipt"])
    invariants_hold(system)


def test_a_barcode_whose_record_was_lost_is_found_again_and_paid_once(
    system: System, server: httpx.Client, wallet: httpx.Client, spot: str
) -> None:
    charge_id, body = die_asking(system, server, spot)
    restart_server(system)
    again = server.post(f"/v1/spots/{spot}/charges", json=body).json()
    assert again["id"] == charge_id
    charge = eventually(
        lambda: (c := server.get(f"/v1/charges/{charge_id}").json())["state"] == "issued" and c
    )
    order = order_of(wallet, charge_id)
    assert order is not None
    assert charge["qris"] == order["qr_content"]
    wallet.post("/wallet/pay", json={"qris": charge["qris"], "outcome": "pay"})
    eventually(lambda: server.get(f"/v1/charges/{charge_id}").json()["state"] == "paid")
    reference = charge_id.replace("-", "")
    truth = wallet.get("/sandbox/truth").json()
    assert sum(o["partner_reference_no"] == reference for o in truth["orders"]) == 1
    invariants_hold(system)


def test_a_notification_posted_but_never_acknowledged_is_posted_once(
    system: System, server: httpx.Client, wallet: httpx.Client, spot: str
) -> None:
    restart_server(system, crash_at="posted-not-acknowledged")
    charge = server.post(f"/v1/spots/{spot}/charges", json={"vehicle_class": "car"}).json()
    paid = wallet.post("/wallet/pay", json={"qris": charge["qris"], "outcome": "pay"}).json()
    assert system.programs["server"].process is not None
    assert system.programs["server"].process.wait(120) == -9

    restart_server(system)
    seen = eventually(
        lambda: (c := server.get(f"/v1/charges/{charge['id']}").json())["state"] == "paid" and c
    )
    assert seen["receipt"]["rrn"] == paid["rrn"]

    def acknowledged() -> bool:
        sent = wallet.get("/sandbox/truth").json()["notifications"]
        reference = charge["id"].replace("-", "")
        mine = [n for n in sent if reference in json.dumps(n)]
        return any(n["delivered_at"] for n in mine) and len(mine[0]["attempts"]) > 1

    eventually(acknowledged)
    assert server.get(f"/v1/charges/{charge['id']}").json()["money_flag"] == "exact"
    invariants_hold(system)


def test_payments_made_while_the_server_is_down_all_arrive(
    system: System, server: httpx.Client, wallet: httpx.Client, spot: str
) -> None:
    charges = [
        server.post(f"/v1/spots/{spot}/charges", json={"vehicle_class": "motorcycle"}).json()
        for _ in range(5)
    ]
    for charge in charges[:3]:
        wallet.post("/wallet/pay", json={"qris": charge["qris"], "outcome": "pay"})
    system.programs["server"].kill()
    for charge in charges[3:]:
        wallet.post("/wallet/pay", json={"qris": charge["qris"], "outcome": "pay"})
    restart_server(system)
    for charge in charges:
        eventually(lambda c=charge: server.get(f"/v1/charges/{c['id']}").json()["state"] == "paid")
    invariants_hold(system)
