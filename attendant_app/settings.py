"""Every setting of the handheld, read once from the environment (`HANDHELD_…`) and passed down."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

LANGUAGES = ("id", "en")


class SettingsError(ValueError):
    """A setting that cannot be used; the message names it."""


@dataclass(frozen=True)
class Settings:
    """What one handheld needs to know. The enrolment code is a secret until it is used."""

    port: int = 8082
    host: str = "127.0.0.1"
    data: Path = Path("data/handheld")
    server_url: str = "http://127.0.0.1:8080"
    enrolment_code: str = field(default="", repr=False)
    printer_url: str = "tcp://127.0.0.1:9100"
    printer_profile: str = "generic-58"
    language: str = "id"
    camera: str = ""
    """A device number or a film, for handhelds whose browser has no camera."""

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise SettingsError(f"HANDHELD_PORT {self.port} is not a port")
        if self.language not in LANGUAGES:
            raise SettingsError(f"HANDHELD_LANGUAGE must be one of {', '.join(LANGUAGES)}")
        if urlsplit(self.server_url).scheme not in ("http", "https"):
            raise SettingsError("HANDHELD_SERVER_URL must be an http or https address")


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read `HANDHELD_…`; an unset or empty variable leaves the default."""

    def read(name: str, default: str) -> str:
        return environment.get(f"HANDHELD_{name}", "") or default

    port = read("PORT", "8082")
    if not port.isascii() or not port.isdigit():
        raise SettingsError(f"HANDHELD_PORT {port!r} is not a number")
    return Settings(
        port=int(port),
        host=read("HOST", Settings.host),
        data=Path(read("DATA", str(Settings.data))),
        server_url=read("SERVER_URL", Settings.server_url).rstrip("/"),
        enrolment_code=read("ENROLMENT_CODE", ""),
        printer_url=read("PRINTER_URL", Settings.printer_url),
        printer_profile=read("PRINTER_PROFILE", Settings.printer_profile),
        language=read("LANGUAGE", Settings.language),
        camera=read("CAMERA", ""),
    )
