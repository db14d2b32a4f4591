"""What is needed by few: its tests skip where it is not, save in `make test-extras`."""

import os
from typing import NoReturn

import pytest


def absent(what: str) -> NoReturn:
    if os.environ.get("KARCIS_TEST_EXTRAS"):
        pytest.fail(f"not there: {what}")
    pytest.skip(f"not there: {what}; `make test-extras` installs it")
