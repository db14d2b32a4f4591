"""Signing a report's PDF (PAdES B-B), by a key in a PKCS#12 file or in a PKCS#11 token.

The signature certifies: whoever changes the file afterwards, in whatever way, breaks it. With a
service of time stamps (RFC 3161) it is PAdES B-T: when it was signed is vouched for by others.
"""

import asyncio
import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from pyhanko.config.pkcs11 import TokenCriteria
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import signers
from pyhanko.sign.fields import MDPPerm, SigSeedSubFilter
from pyhanko.sign.timestamps.api import TimeStamper
from pyhanko.sign.timestamps.common_utils import TimestampRequestError
from pyhanko.sign.timestamps.requests_client import RequestsHTTPTimeStamper

from server.errors import Problem
from server.settings import Settings

FIELD = "Karcis"
STAMP_S = 5


class ReportKeyUnfit(Exception):
    """The settings of the reports' key name none that can be used; the message says why."""


class NoTimeStamp(Exception):
    """The service of time stamps gave none: away, slow, or not one."""


class ReportNotSigned(Problem):
    slug = "report-not-signed"
    status = 503
    title_id = "Kunci tanda tangan laporan tidak dapat dipakai sekarang; laporan tidak dibuat"
    title_en = "The key that signs reports cannot be used now; no report was made"


@dataclass(frozen=True)
class ReportSigner:
    """`name` is whose certificate it is; `_open` gives the key for as long as it is needed."""

    name: str
    _open: Callable[[], AbstractContextManager[signers.Signer]]
    stamps_at: str = ""
    """Where time stamps are asked for, if anywhere."""

    def sign(self, pdf: bytes, *, stamped: bool = False) -> bytes:
        """The file, signed; raises ReportNotSigned or NoTimeStamp. Not to be called in an event
        loop.
        """
        stamper = _stamper(self.stamps_at) if stamped else None
        meta = signers.PdfSignatureMetadata(
            field_name=FIELD,
            md_algorithm="sha256",
            subfilter=SigSeedSubFilter.PADES,
            certify=True,
            docmdp_permissions=MDPPerm.NO_CHANGES,
        )
        out = io.BytesIO()
        try:
            with self._open() as signer:
                writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
                signers.PdfSigner(meta, signer, timestamper=stamper).sign_pdf(writer, output=out)
        except (TimestampRequestError, OSError, ValueError) as exc:
            if not stamped:
                raise
            raise NoTimeStamp(type(exc).__name__) from exc
        except ReportKeyUnfit as exc:
            raise ReportNotSigned(str(exc)) from exc
        return out.getvalue()

    def detached(self, data: bytes) -> bytes:
        """A signature that stands beside what it signs (CMS, DER), as `openssl cms` checks it.

        Raises ReportNotSigned. Not to be called in an event loop.
        """
        try:
            with self._open() as signer:
                made = signer.async_sign_general_data(data, "sha256", detached=True)
                return bytes(asyncio.run(made).dump())
        except ReportKeyUnfit as exc:
            raise ReportNotSigned(str(exc)) from exc


def signer_of(settings: Settings) -> ReportSigner | None:
    """Whom the settings name; None where they name none. Raises ReportKeyUnfit."""
    if settings.report_token_module is not None:
        found = _of_token(settings)
    elif settings.report_signing_key is None:
        return None
    else:
        secret = settings.report_signing_password
        found = _of_file(
            settings.report_signing_key, None if secret is None else secret.get_secret_value()
        )
    return replace(found, stamps_at=settings.report_tsa_url)


def _stamper(url: str) -> TimeStamper:
    found: TimeStamper = RequestsHTTPTimeStamper(url, timeout=STAMP_S)  # type: ignore[no-untyped-call]
    return found


def _of_file(path: Path, password: str | None) -> ReportSigner:
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise ReportKeyUnfit(f"{path} cannot be read: {exc.strerror}") from exc
    try:
        signer = signers.SimpleSigner.load_pkcs12_data(
            content, other_certs=(), passphrase=None if password is None else password.encode()
        )
    except (ValueError, TypeError, OSError) as exc:
        raise ReportKeyUnfit(f"{path} is no PKCS#12 file, or its password is another") from exc
    if signer is None or signer.signing_cert is None:
        raise ReportKeyUnfit(f"{path} holds no key with its certificate")

    @contextmanager
    def opened() -> Iterator[signers.Signer]:
        yield signer

    return ReportSigner(_name(signer), opened)


def _of_token(settings: Settings) -> ReportSigner:
    """A key that never leaves its token. A session is opened for each signature."""
    try:
        from pkcs11.exceptions import PKCS11Error
        from pyhanko.sign.pkcs11 import PKCS11Signer, open_pkcs11_session
    except ImportError as exc:
        raise ReportKeyUnfit("PKCS#11 needs the extra: pip install 'karcis[pkcs11]'") from exc
    pin = settings.report_token_pin

    @contextmanager
    def opened() -> Iterator[signers.Signer]:
        try:
            session = open_pkcs11_session(
                str(settings.report_token_module),
                token_criteria=TokenCriteria(label=settings.report_token_name or None),
                user_pin=None if pin is None else pin.get_secret_value(),
            )
        except (PKCS11Error, OSError, RuntimeError) as exc:
            raise ReportKeyUnfit(f"the token does not open: {type(exc).__name__}") from exc
        with session:
            try:
                # Tokens sign a digest; not all of them make one.
                yield PKCS11Signer(
                    session, cert_label=settings.report_token_label, use_raw_mechanism=True
                )
            except PKCS11Error as exc:
                raise ReportKeyUnfit(f"the token does not sign: {type(exc).__name__}") from exc

    with opened() as signer:
        return ReportSigner(_name(signer), opened)


def _name(signer: signers.Signer) -> str:
    certificate = signer.signing_cert
    if certificate is None:
        raise ReportKeyUnfit("there is no certificate beside the key")
    return str(certificate.subject.native.get("common_name") or certificate.subject.human_friendly)
