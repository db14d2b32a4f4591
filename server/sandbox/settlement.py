"""Day end: what was paid becomes a batch, a settlement file and a line on the bank's statement.

A batch never changes. Asked again for the same day, the acquirer writes the same files, or adds a
second batch for what was paid after the first.
"""

import csv
import io
import os
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

from server.sandbox.acquirer import Acquirer
from server.sandbox.settings import Settings

COLUMNS = (
    "batch_id",
    "settlement_date",
    "transaction_time",
    "partner_reference_no",
    "reference_no",
    "rrn",
    "nmid",
    "merchant_id",
    "terminal_id",
    "issuer",
    "gross",
    "mdr",
    "net",
    "currency",
    "type",
)


@dataclass(frozen=True)
class Line:
    """One payment (gross > 0) or refund (gross < 0, no fee given back) in a batch."""

    batch_id: str
    day: str
    time: str
    partner_reference_no: str
    reference_no: str
    rrn: str
    merchant_id: str
    terminal_id: str
    issuer: str
    gross_rp: int
    mdr_rp: int
    type: str

    @property
    def net_rp(self) -> int:
        return self.gross_rp - self.mdr_rp


def day_end(acquirer: Acquirer, day: date) -> dict[str, Any]:
    """Closes a business day; returns where the files are and what they add up to."""
    truth, name = acquirer.truth, day.isoformat()
    with truth.transaction():
        payments, refunds = truth.unsettled(name)
        if payments or refunds:
            truth.add_batch(name, payments, refunds, acquirer.now_ms())
    through = _lines(acquirer, name)
    lines = [line for line in through if line.day == name]
    opening_rp = sum(line.net_rp for line in through if line.day < name)
    settlement, statement = (
        settlement_file(acquirer.settings, day),
        statement_file(acquirer.settings, day),
    )
    _write(settlement, settlement_csv(acquirer.settings, lines).encode())
    _write(statement, statement_mt940(acquirer.settings, day, opening_rp, lines).encode("ascii"))
    batches = list(dict.fromkeys(line.batch_id for line in lines))
    return {
        "date": name,
        "settlement": str(settlement),
        "statement": str(statement),
        "gross_rp": sum(line.gross_rp for line in lines),
        "mdr_rp": sum(line.mdr_rp for line in lines),
        "net_rp": sum(line.net_rp for line in lines),
        "count": len(lines),
        "batch": batches[-1] if batches else None,
        "batches": batches,
    }


def settlement_file(settings: Settings, day: date) -> Path:
    return (settings.data / "day-end" / f"settlement-{day.isoformat()}.csv").absolute()


def statement_file(settings: Settings, day: date) -> Path:
    return (settings.data / "day-end" / f"statement-{day.isoformat()}.sta").absolute()


def _lines(acquirer: Acquirer, through: str) -> list[Line]:
    truth = acquirer.truth
    lines = []
    for order, payment in truth.settled_payments(through=through):
        assert payment.paid_ms is not None
        lines.append(
            Line(
                batch_id=str(payment.batch_id),
                day=str(payment.business_date),
                time=truth.iso(payment.paid_ms),
                partner_reference_no=order.partner_reference_no,
                reference_no=payment.reference_no or order.reference_no,
                rrn=str(payment.rrn),
                merchant_id=order.merchant_id,
                terminal_id=order.terminal_id,
                issuer=payment.issuer_name,
                gross_rp=payment.amount_rp,
                mdr_rp=payment.mdr_rp,
                type="PAYMENT",
            )
        )
    for order, refund in truth.settled_refunds(through=through):
        lines.append(
            Line(
                batch_id=str(refund.batch_id),
                day=refund.business_date,
                time=truth.iso(refund.refunded_ms),
                partner_reference_no=order.partner_reference_no,
                reference_no=order.reference_no,
                rrn=refund.refund_no,
                merchant_id=order.merchant_id,
                terminal_id=order.terminal_id,
                issuer="",
                gross_rp=-refund.amount_rp,
                mdr_rp=0,
                type="REFUND",
            )
        )
    return sorted(lines, key=lambda line: (line.day, line.batch_id, line.time, line.rrn))


def settlement_csv(settings: Settings, lines: list[Line]) -> str:
    """A header and one row a transaction; whole rupiah, no trailer."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for line in lines:
        writer.writerow(
            (
                line.batch_id,
                line.day,
                line.time,
                line.partner_reference_no,
                line.reference_no,
                line.rrn,
                settings.nmid,
                line.merchant_id,
                line.terminal_id,
                line.issuer,
                line.gross_rp,
                line.mdr_rp,
                line.net_rp,
                "IDR",
                line.type,
            )
        )
    return text.getvalue()


def statement_mt940(settings: Settings, day: date, opening_rp: int, lines: list[Line]) -> str:
    """SWIFT MT940: one entry a batch, its net; the fee shows in the settlement file only."""
    rows = [
        f":20:STM{day:%Y%m%d}",
        f":25:{settings.account}",
        f":28C:{day.timetuple().tm_yday}/1",
        f":60F:{_balance(opening_rp, day - timedelta(days=1))}",
    ]
    for batch, entries in groupby(lines, key=lambda line: line.batch_id):
        net_rp = sum(line.net_rp for line in entries)
        sign, value = _signed(net_rp)
        rows.append(f":61:{day:%y%m%d%m%d}{sign}{value}NTRF{batch}")
        rows.append(f":86:PENCAIRAN QRIS BATCH {batch}")
        rows.append(f"{settings.acquirer_name.upper()[:30]} NMID {settings.nmid}")
    closing_rp = opening_rp + sum(line.net_rp for line in lines)
    rows.append(f":62F:{_balance(closing_rp, day)}")
    rows.append("-")
    return "".join(f"{row}\r\n" for row in rows)


def _signed(amount_rp: int) -> tuple[str, str]:
    return ("D" if amount_rp < 0 else "C"), f"{abs(amount_rp)},00"


def _balance(amount_rp: int, day: date) -> str:
    sign, value = _signed(amount_rp)
    return f"{sign}{day:%y%m%d}IDR{value}"


def _write(path: Path, content: bytes) -> None:
    """All or nothing: whoever collects the file never sees half of it."""
    if path.exists() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".draft")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
