"""Bringing a database to the newest schema, and telling whether it is there."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


def _config(database_url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    # configparser reads % as the start of a substitution.
    config.set_main_option("sqlalchemy.url", database_url.replace("%", "%%"))
    return config


def migrate(database_url: str) -> None:
    """Run every migration that is still to run. Must not be called from a running event loop."""
    command.upgrade(_config(database_url), "head")


def newest() -> str:
    return ScriptDirectory.from_config(_config("")).get_current_head() or ""


async def at_newest(db: AsyncSession) -> bool:
    version = await db.scalar(text("SELECT version_num FROM alembic_version"))
    return bool(version == newest())
