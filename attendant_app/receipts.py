"""The paid receipt (karcis) as a document for any printer.

Its number stands early and again as text under the QR, so that a torn or faded slip can still be
told, and a slip without its AKHIR line is visibly half.
"""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from domain.money import format_rp
from domain.receipt import ReceiptFacts
from printer.document import Columns, Cut, Document, Feed, Item, Qr, Rule, Text

# Indonesia's three official times; nobody at the kerb writes UTC+07:00.
_ZONE_NAMES = {7: "WIB", 8: "WITA", 9: "WIT"}


def document(
    facts: ReceiptFacts, zone: ZoneInfo, *, copy: int = 0, reprinted_at: datetime | None = None
) -> Document:
    """Copy 0 is the original; copy n says so at top and bottom, with the time of the reprint."""
    mark = _copy_mark(copy, reprinted_at, zone)
    return Document(
        (
            *mark,
            *_head(facts),
            *_facts(facts, zone),
            *_amount(facts),
            *_proof(facts),
            *mark,
            Text(f"-- AKHIR {_together(facts.number)} --", align="center"),
            Cut(),
        )
    )


def _copy_mark(copy: int, reprinted_at: datetime | None, zone: ZoneInfo) -> tuple[Item, ...]:
    if copy == 0:
        return ()
    if reprinted_at is None:
        raise ValueError("a copy says when it was printed")
    return (
        Text(f"*** SALINAN KE-{copy} ***", align="center", bold=True),
        Text("Dicetak ulang", align="center"),
        Text(moment(reprinted_at, zone), align="center"),
    )


def _head(facts: ReceiptFacts) -> tuple[Item, ...]:
    return (
        Text(facts.agency, align="center", bold=True),
        Text(facts.regency, align="center", bold=True),
        Text("KARCIS PARKIR", align="center", bold=True, width=2, height=2),
        Text(facts.regulation, align="center"),
        Rule("="),
    )


def _facts(facts: ReceiptFacts, zone: ZoneInfo) -> tuple[Item, ...]:
    attendant = " ".join(part for part in (facts.attendant_code, facts.attendant_name) if part)
    rows = (
        ("No", _together(facts.number)),
        ("Nopol", facts.plate and _together(facts.plate)),
        ("Jenis", f"{facts.vehicle_class.label()} ({facts.vehicle_class.code})"),
        ("Titik", _together(facts.spot_code)),
        ("Lokasi", facts.place),
        ("Zona", facts.zone),
        ("Petugas", attendant),
        ("Mulai", moment(facts.started_at, zone)),
        ("Dibayar", moment(facts.paid_at, zone)),
    )
    return (*(Columns(label, value) for label, value in rows if value), Rule())


def _amount(facts: ReceiptFacts) -> tuple[Item, ...]:
    lines = tuple(
        Columns(_line_label(line.label_id, line.quantity, line.unit_rp), format_rp(line.amount_rp))
        for line in facts.lines
    )
    return (
        *lines,
        Columns("TOTAL", format_rp(facts.amount_rp), bold=True, height=2),
        Columns(facts.method, "LUNAS", bold=True),
        *((Columns("RRN", facts.rrn),) if facts.rrn else ()),
        Rule(),
    )


def _line_label(label: str, quantity: int, unit_rp: int) -> str:
    return label if quantity == 1 else f"{label} {quantity} x {format_rp(unit_rp)}"


def _proof(facts: ReceiptFacts) -> tuple[Item, ...]:
    return (
        # Titled, so that nobody takes it for a code to pay with.
        Text("CEK KEASLIAN KARCIS", align="center", bold=True),
        Qr(facts.verify_url),
        Text(_together(facts.number), align="center", bold=True),
        Text("Simpan sebagai bukti pembayaran. Berlaku 1x parkir.", align="center"),
        Text("Kertas memudar; simpan foto atau tautannya.", align="center"),
        Text(facts.complaint, align="center"),
        Feed(1),
    )


def moment(at: datetime, zone: ZoneInfo) -> str:
    """As written here: `21/11/2026 14:05 WIB`."""
    local = at.astimezone(zone)
    offset = local.utcoffset() or timedelta()
    hours = offset // timedelta(hours=1)
    name = _ZONE_NAMES.get(hours, f"UTC{hours:+d}")
    return f"{local:%d/%m/%Y} {local:%H:%M} {name}"


def _together(text: str) -> str:
    """Numbers and plates are read in one piece: no line breaks inside one."""
    return text.replace(" ", "\u00a0")
