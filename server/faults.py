"""Named points at which a test can kill this process, to show that no crash loses a rupiah."""

import os
import signal

CRASH_AT = "KARCIS_CRASH_AT"
"""The environment variable that names the point; refused in production mode."""


def crash_point(name: str) -> None:
    """Die as by `kill -9` here, when the environment says so."""
    if os.environ.get(CRASH_AT) == name:
        os.kill(os.getpid(), signal.SIGKILL)
