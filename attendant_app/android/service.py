"""The Android app's foreground service: the handheld itself.

Its settings are the HANDHELD_... lines of handheld.env beside it, packed into the app.
"""

import os
from pathlib import Path

for line in (Path(__file__).parent / "handheld.env").read_text().splitlines():
    name, separator, value = line.partition("=")
    if separator and not name.startswith("#"):
        os.environ[name] = value
# Not under app/, which python-for-android empties at each update.
os.environ["HANDHELD_DATA"] = str(Path(os.environ["ANDROID_PRIVATE"]) / "handheld")

from attendant_app.cli import handheld  # noqa: E402 - reads nothing before it is told where

handheld()
