"""Ports for what must be told where to listen before it listens."""

import itertools
import os
import socket

# Below those that the kernel gives to connections and to whoever asks for any, 32768 upwards; each
# worker has a share of its own, so that what is free here stays free until it is bound.
LOWEST, SHARE, SHARES, MOST = 12_000, 2_500, 8, 4
_first = LOWEST + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % SHARES * SHARE
_turns = itertools.count(os.getpid())  # runs beside each other begin at different places


def free_port(neighbours: int = 1) -> int:
    """The first of up to four neighbouring ports nobody listens on; others at every call."""
    for _ in range(SHARE // MOST):
        port = _first + next(_turns) * MOST % SHARE
        if all(_is_free(port + offset) for offset in range(neighbours)):
            return port
    raise AssertionError("no free port in this worker's share")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
