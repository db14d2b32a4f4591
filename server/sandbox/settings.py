"""Settings of the sandbox acquirer. Every default is invented and stands for nobody real."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class NotifySignature(StrEnum):
    ASYMMETRIC = "asymmetric"
    SYMMETRIC = "symmetric"


class Settings(BaseSettings):
    """Read from the environment, prefix `SANDBOX_`."""

    model_config = SettingsConfigDict(env_prefix="SANDBOX_", frozen=True, extra="ignore")

    host: str = "127.0.0.1"
    port: int = Field(default=8081, ge=0, le=65535)
    data: Path = Path("data/sandbox")

    # What the partner must prove itself with.
    client_key: str = "karcis-sandbox"
    client_secret: SecretStr = SecretStr("rahasia-kotak-pasir")
    partner_id: str = ""
    """Expected X-PARTNER-ID; empty means the client key."""
    partner_public_key: Path | None = None
    """Default: `karcis.pub.pem` in the data directory. Read at each token request."""
    timestamp_window_s: int = Field(default=900, gt=0)
    token_life_s: int = Field(default=900, gt=0)
    validity_s: int = Field(default=900, gt=0)
    """How long a code may be paid when the partner names no validityPeriod."""

    # What the acquirer proves itself with when it notifies.
    private_key: Path | None = None
    """Default: `acquirer.pem` in the data directory; made when absent, `.pub.pem` beside it."""
    notify_url: str = "http://127.0.0.1:8080"
    notify_path: str = "/v1.0/qr/qr-mpm-notify"
    notify_cpm_path: str = "/v1.0/qr/qr-cpm-notify"
    notify_rest_path: str = "/v1/acquirer/notifications"
    notify_token_path: str = "/v1.0/access-token/b2b"  # noqa: S105 - a path, not a secret
    notify_signature: NotifySignature = NotifySignature.ASYMMETRIC
    notify_client_key: str = "acquirer-sandbox"
    notify_client_secret: SecretStr = SecretStr("rahasia-pemberitahuan")
    notify_channel_id: str = "95221"
    notify_timeout_s: float = Field(default=10, gt=0)
    notify_retries_s: Annotated[tuple[float, ...], NoDecode] = (1, 2, 5, 10, 30, 60, 120, 300)
    """Waits between attempts; the last one repeats until `notify_give_up_s` has passed."""
    notify_give_up_s: int = Field(default=172_800, gt=0)

    # Who is paid.
    merchant_id: str = Field(default="KARCIS000000001", max_length=15)
    merchant_name: str = Field(default="PARKIR KAB CONTOH", max_length=25)
    city: str = Field(default="KAB CONTOH", max_length=15)
    postal_code: str = Field(default="99999", max_length=10)
    nmid: str = Field(default="ID9926000000017", pattern=r"^ID\d{13}$")
    mpan: str = Field(default="936009990000000017", pattern=r"^\d{18}$")
    criteria: str = Field(default="URE", pattern=r"^[A-Z]{3}$")
    mcc: str = Field(default="7523", pattern=r"^\d{4}$")
    acquirer_name: str = "Bank Kotak Pasir"
    acquirer_domain: str = Field(default="ID.CO.SANDBOX.WWW", max_length=32)
    account: str = Field(default="9990000017", pattern=r"^[A-Z0-9]{1,34}$")
    """The merchant's bank account, as the bank statement names it."""
    mdr_basis_points: int = Field(default=70, ge=0, le=1000)
    timezone: str = "Asia/Jakarta"

    @field_validator("notify_retries_s", mode="before")
    @classmethod
    def _split_waits(cls, value: object) -> object:
        return value.split(",") if isinstance(value, str) else value

    @field_validator("notify_retries_s")
    @classmethod
    def _some_wait(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if not value or min(value) <= 0:
            raise ValueError("at least one wait, each longer than zero seconds")
        return value

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @property
    def partner(self) -> str:
        return self.partner_id or self.client_key

    @property
    def partner_key_file(self) -> Path:
        return self.partner_public_key or self.data / "karcis.pub.pem"

    @property
    def private_key_file(self) -> Path:
        return self.private_key or self.data / "acquirer.pem"
