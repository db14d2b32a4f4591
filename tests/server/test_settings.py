"""Settings: read once, never changed, complete in production, and silent about their secrets."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from server.app import NotConfigured, create_app
from server.faults import CRASH_AT
from server.settings import Settings

PRODUCTION: dict[str, Any] = {
    "mode": "production",
    "public_url": "https://parkir.example",
    "database_url": "postgresql://x",
    "acquirer_client_secret": SecretStr("KENARI"),
    "plate_key": SecretStr("KENARI" * 6),
    "sign_in_key": SecretStr("KENARI" * 6),
    "collecting_account": "0011223344",
}


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().port = 1  # type: ignore[misc]


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KARCIS_PORT", "9000")
    monkeypatch.setenv("DATABASE_URL", "postgresql://here")
    monkeypatch.setenv("KARCIS_PUBLIC_URL", "https://parkir.example/")
    settings = Settings()
    assert (settings.port, settings.database_url) == (9000, "postgresql://here")
    assert settings.base_url == "https://parkir.example"
    assert Settings(public_url="").base_url == "http://127.0.0.1:9000"


@pytest.mark.parametrize("missing", [name for name in PRODUCTION if name != "mode"])
def test_production_refuses_to_start_without_its_secrets(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    Settings(**PRODUCTION)
    for absent in {"", None if missing not in ("public_url", "collecting_account") else ""}:
        with pytest.raises(ValidationError, match=missing) as refusal:
            Settings(**(PRODUCTION | {missing: absent}))
        assert "KENARI" not in str(refusal.value)


def test_a_wrong_setting_is_named_without_repeating_secrets() -> None:
    with pytest.raises(ValidationError, match="port") as refusal:
        Settings(port="KENARI", acquirer_client_secret=SecretStr("KENARI"))  # type: ignore[arg-type]
    assert "KENARI" not in str(refusal.value)
    assert "KENARI" not in repr(Settings(acquirer_client_secret=SecretStr("KENARI")))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"database_url": None}, "DATABASE_URL is not set"),
        ({"acquirer_client_secret": None}, "KARCIS_ACQUIRER_CLIENT_SECRET is not set"),
        ({"notify_client_secret": SecretStr("")}, "KARCIS_NOTIFY_CLIENT_SECRET is not set"),
        ({"private_key": None}, "KARCIS_PRIVATE_KEY is not set"),
        ({"acquirer_public_key": None}, "KARCIS_ACQUIRER_PUBLIC_KEY is not set"),
        ({"private_key": Path("/nowhere/x.pem")}, "cannot read /nowhere/x.pem"),
    ],
)
def test_the_server_says_what_it_lacks(
    settings: Settings, changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(NotConfigured, match=says):
        create_app(settings.model_copy(update=changes))


def test_production_refuses_the_tests_crash_points(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CRASH_AT, "somewhere")
    with pytest.raises(NotConfigured, match=CRASH_AT):
        create_app(settings.model_copy(update={"mode": "production"}))


def test_over_rest_the_server_key_is_all_it_needs(settings: Settings) -> None:
    keyless = {"private_key": None, "acquirer_public_key": None, "notify_client_secret": None}
    application = create_app(settings.model_copy(update={"acquirer": "sandbox-rest", **keyless}))
    assert application.state.payments.acquirers.first.profile.transport == "rest"
    with pytest.raises(NotConfigured, match="KARCIS_ACQUIRER_CLIENT_SECRET is not set"):
        create_app(
            settings.model_copy(update={"acquirer": "sandbox-rest", "acquirer_client_secret": None})
        )


def test_the_collecting_account_is_not_the_rkud() -> None:
    Settings(collecting_account="0011-2233, 77", rkud_account="0011998877")
    with pytest.raises(ValidationError, match="the same account"):
        Settings(collecting_account="77, 0011-998877", rkud_account="0011998877")
