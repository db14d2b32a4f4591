"""Every setting of the server, read once from `KARCIS_…` variables and passed down frozen."""

import tomllib
from datetime import date, timedelta
from functools import cached_property
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from domain.business_days import BusinessDays
from domain.mdr import MerchantCriteria

SECRET_FILES = ("client_secret", "notify_client_secret")
"""What the file of further acquirers names by the path of the file that holds it."""
PATHS = ("public_key", "private_key")


class AcquirersUnfit(ValueError):
    """The file of further acquirers cannot be used; the message says why."""


def bare_account(number: str) -> str:
    """An account's number as no two ways of writing it differ."""
    return "".join(character for character in number if character.isalnum()).upper()


class AcquirerTerms(BaseModel):
    """What was agreed with one acquirer: where it is, how it speaks, and who proves what how.

    `name` is written into every charge: charges of a name are asked about at this address for good.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,29}$")
    profile: str
    url: str
    client_key: str
    client_secret: SecretStr | None = None
    merchant_id: str
    terminal_id: str = "A01"
    public_key: Path | None = None
    private_key: Path | None = None
    notify_client_key: str = ""
    notify_client_secret: SecretStr | None = None
    notify_path: str = ""
    notify_consumer_path: str = ""
    settlement_mapping: str
    first: bool = False

    def called(self, setting: str) -> str:
        """A setting as people find it."""
        if not self.first:
            return f"{setting} of the acquirer {self.name}"
        own = setting in ("client_secret", "public_key")
        return f"KARCIS_{'ACQUIRER_' if own else ''}{setting.upper()}"


class Settings(BaseSettings):
    """What one installation of the server needs to know; see docs/settings.md."""

    model_config = SettingsConfigDict(
        env_prefix="KARCIS_",
        frozen=True,
        extra="ignore",
        populate_by_name=True,
        hide_input_in_errors=True,  # the input holds secrets, and an error is printed
    )

    mode: Literal["sample", "production"] = "sample"
    host: str = "127.0.0.1"
    port: int = 8080
    public_url: str = ""
    database_url: str | None = Field(default=None, validation_alias="DATABASE_URL")

    regency: str = "Kabupaten Contoh"
    agency: str = "Dinas Perhubungan"
    complaint: str = "Pengaduan: 0800-0000-000 (contoh)"
    porporasi: str = ""
    merchant_name: str = ""
    timezone_name: str = "Asia/Jakarta"
    day_ends: str = "24.00"

    acquirer: str = "sandbox"
    acquirer_url: str = "http://127.0.0.1:8081"
    acquirer_client_key: str = "karcis-sandbox"
    acquirer_client_secret: SecretStr | None = None
    acquirer_merchant_id: str = "KARCIS000000001"
    acquirer_terminal_id: str = "A01"
    settlement_mapping: str = "sandbox"
    statement_mapping: str = "bank"
    acquirer_public_key: Path | None = None
    private_key: Path | None = None
    proof_key: Path | None = None
    proof_retired_keys: Path | None = None
    map_tiles: Path | None = None
    audit_key: Path | None = None
    audit_retired_keys: Path | None = None
    audit_directory: Path | None = None
    notify_client_key: str = "acquirer-sandbox"
    notify_client_secret: SecretStr | None = None
    merchant_criteria: MerchantCriteria = MerchantCriteria.URE
    acquirer_timeout_s: float = 5.0
    acquirers: Path | None = None

    charge_lifetime_s: int = 900
    offline_window_s: int = Field(default=12 * 60 * 60, gt=0)
    offline_limit_count: int = Field(default=20, ge=0)
    offline_limit_rp: int = Field(default=100_000, ge=0)
    pool_size: int = Field(default=5, ge=0, le=20)
    notification_clock_tolerance_s: int = 300
    trusted_proxies: str = "127.0.0.1 ::1"
    driver_charges_per_minute: int = 30
    spot_charges_per_minute: int = 60
    open_charges_per_address: int = Field(default=10, gt=0)
    open_charges_per_spot: int = Field(default=30, gt=0)
    push_key: Path | None = None
    push_hosts: str = (
        "fcm.googleapis.com push.services.mozilla.com push.apple.com notify.windows.com"
    )
    receipt_lookups_per_minute: int = 60
    key_requests_per_minute: int = 600
    display_requests_per_minute: int = 600
    open_data_requests_per_minute: int = 60
    open_data_license: str = "https://creativecommons.org/licenses/by/4.0/"
    open_data_publisher: str = ""
    reports_per_minute: int = 6
    picture_checks_per_minute: int = 10
    webhook_key: SecretStr | None = Field(default=None, min_length=32)
    plate_key: SecretStr | None = Field(default=None, min_length=32)
    plate_days: int = Field(default=30, gt=0)
    contact_key: SecretStr | None = Field(default=None, min_length=32)
    contact_days: int = Field(default=30, gt=0)
    holidays: Path | None = None
    sign_in_key: SecretStr | None = Field(default=None, min_length=32)
    second_factor: Literal["own choice", "money", "all"] | None = None
    oidc_issuer: str = ""
    oidc_client_id: str = ""
    oidc_client_secret: SecretStr | None = None
    oidc_claim: Literal["sub", "email", "preferred_username"] = "sub"
    office_idle_minutes: int = Field(default=60, gt=0)
    complaint_working_days: int = Field(default=5, gt=0)
    objection_days: int = Field(default=14, gt=0, le=365)
    evidence_days: int = Field(default=30, gt=0)
    sign_check_days: int = Field(default=3, gt=0)
    sign_silent_days: int = Field(default=5, gt=0)
    report_signing_key: Path | None = None
    report_signing_password: SecretStr | None = None
    report_token_module: Path | None = None
    report_token_name: str = ""
    report_token_pin: SecretStr | None = None
    report_token_label: str = ""
    report_tsa_url: str = ""
    smtp_url: SecretStr | None = None
    mail_from: str = ""
    grace_minutes: int = Field(default=15, ge=0)
    refund_limit_rp: int = Field(default=500_000, gt=0)
    refund_days: int = Field(default=90, gt=0)
    closing_working_days: int = Field(default=1, gt=0)
    deposit_working_days: int = Field(default=1, gt=0)
    deposits_from: date | None = None
    revenue_code: str = "4.1.02.01.04"
    rkud: str = ""
    person_key: SecretStr | None = Field(default=None, min_length=32)
    collecting_account: str = ""
    rkud_account: str = ""
    payee_key: SecretStr | None = Field(default=None, min_length=32)
    payout_result_mapping: str = "bank"
    payout_columns: str = "rekening=account,nama=holder,bank=bank,jumlah=amount,berita=reference"
    jobs: bool = True

    @property
    def timezone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone_name)

    @property
    def business_days(self) -> BusinessDays:
        return BusinessDays.read(self.day_ends, self.timezone)

    @property
    def charge_lifetime(self) -> timedelta:
        return timedelta(seconds=self.charge_lifetime_s)

    @property
    def pooled_lifetime(self) -> timedelta:
        """So long that a barcode renewed in good time outlasts a whole offline window."""
        return 2 * timedelta(seconds=self.offline_window_s)

    @cached_property
    def acquirer_terms(self) -> tuple[AcquirerTerms, ...]:
        """Of every acquirer, that of the settings first; raises AcquirersUnfit."""
        first = AcquirerTerms(
            name=self.acquirer,
            profile=self.acquirer,
            url=self.acquirer_url,
            client_key=self.acquirer_client_key,
            client_secret=self.acquirer_client_secret,
            merchant_id=self.acquirer_merchant_id,
            terminal_id=self.acquirer_terminal_id,
            public_key=self.acquirer_public_key,
            private_key=self.private_key,
            notify_client_key=self.notify_client_key,
            notify_client_secret=self.notify_client_secret,
            settlement_mapping=self.settlement_mapping,
            first=True,
        )
        further = _further(self.acquirers, self.private_key) if self.acquirers else ()
        names = [terms.name for terms in (first, *further)]
        if len(set(names)) < len(names) or {"cash", "voucher"} & set(names):
            raise AcquirersUnfit("each acquirer needs a name of its own, not cash or voucher")
        return (first, *further)

    def terms_of(self, acquirer: str) -> AcquirerTerms | None:
        return next((terms for terms in self.acquirer_terms if terms.name == acquirer), None)

    @property
    def second_factor_of(self) -> Literal["own choice", "money", "all"]:
        """Which officers may do nothing without a second factor."""
        return self.second_factor or ("money" if self.mode == "production" else "own choice")

    @property
    def office_idle(self) -> timedelta:
        return timedelta(minutes=self.office_idle_minutes)

    @property
    def base_url(self) -> str:
        """Where drivers and handhelds reach this server, without a trailing slash."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @field_validator("day_ends")
    @classmethod
    def _is_when_days_end(cls, value: str) -> str:
        BusinessDays.read(value, ZoneInfo("UTC"))
        return value

    @field_validator("payout_columns")
    @classmethod
    def _columns_are_known(cls, value: str) -> str:
        known = {"account", "holder", "bank", "amount", "reference"}
        if any(column.partition("=")[2] not in known for column in value.split(",")):
            raise ValueError(f"want name=field with fields of {', '.join(sorted(known))}")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _proxies_are_addresses(cls, value: str) -> str:
        for one in value.split():
            ip_network(one)
        return value

    @model_validator(mode="after")
    def _rkud_is_another_account(self) -> Self:
        rkud = bare_account(self.rkud_account)
        if rkud and rkud in map(bare_account, self.collecting_account.split(",")):
            raise ValueError("collecting_account and rkud_account name the same account")
        return self

    @model_validator(mode="after")
    def _production_has_its_secrets(self) -> Self:
        if self.mode == "production":
            missing = [
                name
                for name in (
                    "public_url",
                    "database_url",
                    "acquirer_client_secret",
                    "plate_key",
                    "sign_in_key",
                    "collecting_account",
                )
                if not getattr(self, name)
            ]
            if missing:
                raise ValueError(f"production mode needs {', '.join(missing)}")
            if self.second_factor == "own choice":
                raise ValueError("production mode needs second_factor money or all")
        return self


def _further(path: Path, private_key: Path | None) -> tuple[AcquirerTerms, ...]:
    """The acquirers of a TOML file: a table each, secrets and keys by the paths of their files."""
    try:
        tables = tomllib.loads(path.read_text())
        return tuple(
            _terms(name, table, path.parent, private_key) for name, table in tables.items()
        )
    except OSError as exc:
        raise AcquirersUnfit(f"cannot read {exc.filename} ({exc.strerror})") from exc
    except (ValueError, TypeError) as exc:  # tomllib's and pydantic's own are such
        raise AcquirersUnfit(f"{path}: {exc}") from exc


def _terms(
    name: str, table: dict[str, Any], folder: Path, private_key: Path | None
) -> AcquirerTerms:
    told: dict[str, Any] = {"notify_client_key": f"acquirer-{name}", **dict(table), "name": name}
    for secret in SECRET_FILES:
        if secret in told:
            raise ValueError(f"{name}: write the secret to a file and its path as {secret}_file")
        if (file := told.pop(f"{secret}_file", None)) is not None:
            told[secret] = (folder / str(file)).read_text().strip()
    for key in PATHS:
        if key in told:
            told[key] = folder / str(told[key])
    told.setdefault("private_key", private_key)
    return AcquirerTerms.model_validate(told)
