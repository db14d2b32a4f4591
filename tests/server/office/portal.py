"""A real OpenID Connect provider in a process of its own, in the place of the city's portal."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from server.system import free_ports

SITI = "siti@pemda.example"
CLAIMS = {"sub": "s-1", "email": SITI, "email_verified": True}


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    port = free_ports()
    command = str(Path(sys.executable).with_name("oidc-provider-mock"))
    running = subprocess.Popen(
        [command, "--port", str(port), "--user-claims", json.dumps(CLAIMS)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 60
    while True:
        try:
            httpx.get(address, trust_env=False)
            break
        except httpx.HTTPError:
            assert running.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
    yield address
    running.terminate()
    running.wait(30)
