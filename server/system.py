"""The whole system as processes: database, server, sandbox acquirer, handheld, virtual printer.

Everything it keeps is under one data directory. Children die with their parent, also when that is
killed, and are stopped in the reverse of the order they were started in.
"""

import asyncio
import ctypes
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from domain import sign_link
from domain.proof import Seal
from server import sample, schema
from server.database import APP_ROLE, as_role, create_engine, create_transactions
from server.embedded import EmbeddedPostgres
from server.payments.seals import read_seal
from server.settings import Settings

READY_S = 300.0
PAPER = "generic-58-qr"
REPORT_SIGNER = "CONTOH: sertifikat karangan, tidak sah"
"""Whose the sample's certificate is: nobody's, and reports signed by it say so."""
STOP_S = 8.0
MOST_DEATHS = 5
DEATHS_WITHIN_S = 60.0
SERVER, SANDBOX, HANDHELD, PRINTER = range(4)
"""What each of the four neighbouring ports is for."""


class SystemFailed(Exception):
    """A part of the system could not be started; the message says which and why."""


def free_ports() -> int:
    """The first of four neighbouring ports nobody listens on."""
    for base in range(18_000 + secrets.randbelow(1_400) * 10, 60_000, 10):
        if all(not _taken(base + offset) for offset in range(4)):
            return base
    raise SystemFailed("no four free ports in a row")


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def make_keys(folder: Path) -> None:
    """RSA pairs of both sides, the Ed25519 keys of proofs and of the audit log, and the P-256 key
    of reminders, made once; each private half is readable by its owner only.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _make_once(folder / "seal.pem", Ed25519PrivateKey.generate)
    _make_once(folder / "audit.pem", Ed25519PrivateKey.generate)
    _make_once(folder / "push.pem", partial(ec.generate_private_key, ec.SECP256R1()))
    for name in ("karcis", "acquirer"):
        private, public = folder / f"{name}.pem", folder / f"{name}.pub.pem"
        if private.exists() and public.exists():
            continue
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        _write_private(private, pem)
        public.write_bytes(
            key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )


def make_report_key(folder: Path, password: str) -> None:
    """A key that signs reports, with a certificate that nobody else vouches for, made once."""
    path = folder / "reports.p12"
    if path.exists():
        return
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, REPORT_SIGNER)])
    now = datetime.now(UTC)
    usage = dict.fromkeys(
        ("key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign"),
        False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=3650))
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                content_commitment=True,
                encipher_only=False,
                decipher_only=False,
                **usage,
            ),
            critical=True,
        )
        .sign(key, hashes.SHA256())
    )
    sealed = serialization.BestAvailableEncryption(password.encode())
    _write_private(
        path, pkcs12.serialize_key_and_certificates(b"reports", key, certificate, None, sealed)
    )


def _make_once(
    path: Path, generate: Callable[[], Ed25519PrivateKey | ec.EllipticCurvePrivateKey]
) -> None:
    if path.exists():
        return
    pem = generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    _write_private(path, pem)


def _write_private(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def sample_secrets(data_dir: Path) -> dict[str, str]:
    """Passwords of this sample installation, each made once and kept in its data directory."""
    path = data_dir / "secrets.json"
    kept: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    made = {
        "acquirer_client_secret": secrets.token_urlsafe(24),
        "notify_client_secret": secrets.token_urlsafe(24),
        "webhook_key": secrets.token_urlsafe(32),
        "plate_key": secrets.token_urlsafe(32),
        "contact_key": secrets.token_urlsafe(32),
        "payee_key": secrets.token_urlsafe(32),
        "person_key": secrets.token_urlsafe(32),
        "sign_in_key": secrets.token_urlsafe(32),
        "report_signing_password": secrets.token_urlsafe(24),
        "officer_password": secrets.token_urlsafe(9),
        "checker_password": secrets.token_urlsafe(9),
        "admin_password": secrets.token_urlsafe(9),
        "coordinator_password": secrets.token_urlsafe(9),
        "attendant_pin": f"{secrets.randbelow(10**6):06d}",
    }
    if not made.keys() <= kept.keys():
        kept = made | kept
        _write_private(path, json.dumps(kept).encode())
    return kept


def _die_with_parent() -> None:
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)


@dataclass
class Program:
    """One running child process."""

    name: str
    command: list[str]
    environment: Mapping[str, str]
    log: Path
    deaths: list[float] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own programs
                self.command,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )

    def stop(self) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def kill(self) -> None:
        """End the process as `kill -9` does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def why_dead(self) -> str | None:
        if self.process is None or self.process.poll() is None:
            return None
        tail = self.log.read_text(errors="replace").strip().splitlines()[-3:]
        return f"{self.name} ended with {self.process.returncode}: {' / '.join(tail)}"


class System:
    """Starts everything on entry; on exit nothing of it is left running.

    `own_database` keeps it off the database that DATABASE_URL names.
    """

    def __init__(self, data_dir: Path, port: int, *, own_database: bool = False) -> None:
        self.data_dir = data_dir.absolute()
        self.port = port
        self._own_database = own_database
        self._stack = ExitStack()
        self.programs: dict[str, Program] = {}
        self.signs: dict[str, int] = {}
        """The version of each spot's sign."""

    def url(self, offset: int) -> str:
        return f"http://127.0.0.1:{self.port + offset}"

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _start(self) -> None:
        for offset in range(4):
            if _taken(self.port + offset):
                raise SystemFailed(
                    f"port {self.port + offset} is in use; choose another with --port "
                    f"(port {self.port + offset} sedang dipakai)"
                )
        for folder in ("logs", "receipts", "sandbox", "handheld"):
            (self.data_dir / folder).mkdir(mode=0o700, parents=True, exist_ok=True)
        make_keys(self.data_dir / "keys")
        self.secrets = sample_secrets(self.data_dir)
        make_report_key(self.data_dir / "keys", self.secrets["report_signing_password"])
        self.database_url = self._migrated()
        enrolment = asyncio.run(self._seed())
        self._launch("server", ["serve"], self._server_environment())
        self._launch("sandbox", ["sandbox"], self._sandbox_environment())
        receipts = str(self.data_dir / "receipts")
        printer_port = str(self.port + PRINTER)
        paper = ["--profile", PAPER, "--port", printer_port, "--out", receipts]
        self._launch("printer", ["printer", "virtual", *paper], {})
        self._launch("handheld", ["handheld"], self._handheld_environment(enrolment))
        self._await_ready()

    @property
    def seal(self) -> Seal:
        return read_seal(self.data_dir / "keys" / "seal.pem")

    def sign_of(self, spot: str) -> str:
        """What the QR of a spot's sign says."""
        return sign_link.make(self.seal, self.url(SERVER), spot, self.signs[spot])

    def _migrated(self) -> str:
        """The address of a database with the newest schema, for the role the server works as."""
        given = None if self._own_database else os.environ.get("DATABASE_URL")
        if given:
            schema.migrate(os.environ.get("KARCIS_MIGRATION_URL") or given)
            return given
        owner = self._stack.enter_context(EmbeddedPostgres(self.data_dir)).url
        schema.migrate(owner)
        return as_role(owner, APP_ROLE)

    async def _seed(self) -> str:
        engine = create_engine(self.database_url)
        try:
            async with create_transactions(engine).begin() as db:
                await sample.seed(
                    db,
                    officer_password=self.secrets["officer_password"],
                    checker_password=self.secrets["checker_password"],
                    attendant_pin=self.secrets["attendant_pin"],
                    admin_password=self.secrets["admin_password"],
                    coordinator_password=self.secrets["coordinator_password"],
                )
                key_id = self.seal.key_id
                self.signs = await sample.hang_signs(db, key_id, now=datetime.now(UTC))
                return await sample.enrolment_code(db, now=datetime.now(UTC))
        finally:
            await engine.dispose()

    async def _approve_handheld(self) -> None:
        engine = create_engine(self.database_url)
        try:
            async with create_transactions(engine).begin() as db:
                await sample.approve_devices(db, now=datetime.now(UTC))
        finally:
            await engine.dispose()

    def _launch(self, name: str, arguments: list[str], environment: Mapping[str, str]) -> None:
        program = Program(
            name,
            [sys.executable, "-m", "server", *arguments],
            environment,
            self.data_dir / "logs" / f"{name}.log",
        )
        self.programs[name] = program
        program.start()
        self._stack.callback(program.stop)

    def _server_environment(self) -> dict[str, str]:
        keys = self.data_dir / "keys"
        return {
            "DATABASE_URL": self.database_url,
            "KARCIS_PORT": str(self.port),
            "KARCIS_REGENCY": sample.REGENCY,
            "KARCIS_AGENCY": sample.AGENCY,
            "KARCIS_COMPLAINT": sample.COMPLAINT,
            "KARCIS_MERCHANT_NAME": sample.MERCHANT,
            "KARCIS_COLLECTING_ACCOUNT": sample.COLLECTING_ACCOUNT,
            "KARCIS_ACQUIRER_URL": self.url(SANDBOX),
            "KARCIS_ACQUIRER_CLIENT_SECRET": self.secrets["acquirer_client_secret"],
            "KARCIS_ACQUIRER_PUBLIC_KEY": str(keys / "acquirer.pub.pem"),
            "KARCIS_PRIVATE_KEY": str(keys / "karcis.pem"),
            "KARCIS_PROOF_KEY": str(keys / "seal.pem"),
            "KARCIS_PUSH_KEY": str(keys / "push.pem"),
            "KARCIS_AUDIT_KEY": str(keys / "audit.pem"),
            "KARCIS_AUDIT_DIRECTORY": str(self.data_dir / "audit"),
            "KARCIS_REPORT_SIGNING_KEY": str(keys / "reports.p12"),
            "KARCIS_REPORT_SIGNING_PASSWORD": self.secrets["report_signing_password"],
            "KARCIS_NOTIFY_CLIENT_SECRET": self.secrets["notify_client_secret"],
            "KARCIS_WEBHOOK_KEY": self.secrets["webhook_key"],
            "KARCIS_PLATE_KEY": self.secrets["plate_key"],
            "KARCIS_CONTACT_KEY": self.secrets["contact_key"],
            "KARCIS_PAYEE_KEY": self.secrets["payee_key"],
            "KARCIS_PERSON_KEY": self.secrets["person_key"],
            "KARCIS_SIGN_IN_KEY": self.secrets["sign_in_key"],
        }

    def _sandbox_environment(self) -> dict[str, str]:
        keys = self.data_dir / "keys"
        settings = Settings()
        return {
            "SANDBOX_PORT": str(self.port + SANDBOX),
            "SANDBOX_DATA": str(self.data_dir / "sandbox"),
            "SANDBOX_CLIENT_KEY": settings.acquirer_client_key,
            "SANDBOX_CLIENT_SECRET": self.secrets["acquirer_client_secret"],
            "SANDBOX_PARTNER_PUBLIC_KEY": str(keys / "karcis.pub.pem"),
            "SANDBOX_PRIVATE_KEY": str(keys / "acquirer.pem"),
            "SANDBOX_MERCHANT_ID": settings.acquirer_merchant_id,
            "SANDBOX_MERCHANT_NAME": sample.MERCHANT,
            "SANDBOX_ACCOUNT": sample.COLLECTING_ACCOUNT,
            "SANDBOX_CITY": "SAMPIT",
            "SANDBOX_POSTAL_CODE": "74312",
            "SANDBOX_NOTIFY_URL": self.url(SERVER),
            "SANDBOX_NOTIFY_CLIENT_KEY": settings.notify_client_key,
            "SANDBOX_NOTIFY_CLIENT_SECRET": self.secrets["notify_client_secret"],
        }

    def _handheld_environment(self, enrolment: str) -> dict[str, str]:
        return {
            "HANDHELD_PORT": str(self.port + HANDHELD),
            "HANDHELD_DATA": str(self.data_dir / "handheld"),
            "HANDHELD_SERVER_URL": self.url(SERVER),
            "HANDHELD_PRINTER_URL": f"tcp://127.0.0.1:{self.port + PRINTER}",
            "HANDHELD_PRINTER_PROFILE": PAPER,
            "HANDHELD_ENROLMENT_CODE": enrolment,
        }

    def _await_ready(self) -> None:
        checks = {
            "server": f"{self.url(SERVER)}/readyz",
            "sandbox": f"{self.url(SANDBOX)}/livez",
            "handheld": f"{self.url(HANDHELD)}/api/status",
        }
        deadline = time.monotonic() + READY_S
        for name, address in checks.items():
            while not _answers(address):
                self._check_alive(name, deadline)
        while not _taken(self.port + PRINTER):
            self._check_alive("printer", deadline)
        while not _status(self.url(HANDHELD))["enrolled"]:
            self._check_alive("handheld", deadline)
        asyncio.run(self._approve_handheld())

    def _check_alive(self, name: str, deadline: float) -> None:
        dead = self.programs[name].why_dead()
        if dead is not None:
            raise SystemFailed(dead)
        if time.monotonic() > deadline:
            raise SystemFailed(
                f"{name} was not ready within {READY_S:.0f} s; see {self.data_dir}/logs"
            )
        time.sleep(0.05)

    def revive(self) -> list[str]:
        """Start again what has died, and say what it was; a part that keeps dying ends the run."""
        told = []
        for program in self.programs.values():
            dead = program.why_dead()
            if dead is None:
                continue
            now = time.monotonic()
            program.deaths = [at for at in program.deaths if at > now - DEATHS_WITHIN_S] + [now]
            if len(program.deaths) > MOST_DEATHS:
                raise SystemFailed(dead)
            program.start()
            told.append(dead)
        return told

    def ready_facts(self, spot: str) -> dict[str, Any]:
        """What a person or a script needs to use the sample system."""
        return {
            "server": self.url(SERVER),
            "sandbox": self.url(SANDBOX),
            "handheld": self.url(HANDHELD),
            "printer": f"tcp://127.0.0.1:{self.port + PRINTER}",
            "officer": {"login": sample.OFFICER, "password": self.secrets["officer_password"]},
            "checker": {"login": sample.CHECKER, "password": self.secrets["checker_password"]},
            "admin": {"login": sample.ADMIN, "password": self.secrets["admin_password"]},
            "coordinator": {
                "login": sample.COORDINATOR,
                "password": self.secrets["coordinator_password"],
            },
            "attendant": {"code": sample.ATTENDANT, "pin": self.secrets["attendant_pin"]},
            "spot": spot,
            "sign": self.sign_of(spot) if spot in self.signs else None,
        }


def _status(handheld: str) -> dict[str, Any]:
    told: dict[str, Any] = httpx.get(f"{handheld}/api/status", timeout=2, trust_env=False).json()
    return told


def _answers(address: str) -> bool:
    try:
        return httpx.get(address, timeout=2, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False
