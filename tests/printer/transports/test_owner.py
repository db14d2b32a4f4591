import subprocess
import sys
import threading
import time

import pytest

from printer import Busy, Network, NotSent
from printer.transports.owner import Claim

HOLD = """
import sys
from printer.transports.owner import Claim
claim = Claim(sys.argv[1], 1)
print("held", flush=True)
sys.stdin.read()
"""


def test_the_second_owner_is_told_busy_and_nothing_is_sent(peer):
    done = threading.Event()
    address = peer(lambda connection: done.wait(60))
    first, second = Network(*address), Network(*address)
    first.open(30)
    started = time.monotonic()
    with pytest.raises(Busy, match="in use") as caught:
        second.open(0.2)
    assert time.monotonic() - started > 0.15
    assert isinstance(caught.value, NotSent)
    first.close(linger_s=0)
    done.set()


def test_a_printer_that_cannot_be_reached_is_given_up_again(listener):
    address = listener.getsockname()
    listener.close()
    for _ in range(2):
        with pytest.raises(NotSent, match="cannot reach"):
            Network(*address).open(0.3)


def test_another_process_is_an_owner_too_until_it_dies(tmp_path):
    address = f"test://{tmp_path}"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, address], stdin=-1, stdout=-1, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(Busy):
            Claim(address, 0.05)
        other.kill()
        other.wait(30)
        Claim(address, 30).release()


def test_what_has_no_address_is_shared_by_all():
    for _ in range(2):
        Claim("", 0)
