"""One of each slip, of an invented evening in an invented town."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from attendant_app import slips
from attendant_app.slips import Office, Printing, Vehicle, slip_number
from domain import notice
from domain.notice import Finding
from domain.receipt import REFUND_SERIES, ReceiptFacts, RefundFacts, receipt_number
from domain.tariff import HourlyRate, VehicleClass
from printer.document import Document
from tests.attendant_app.builders import SPOT, qris_text, receipt_json

WITA = ZoneInfo("Asia/Makassar")
AT = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)
RECORD = "0193a1c2-5b7e-7c11-9f3a-4d2e8b7c6a51"
PORPORASI = "Porporasi elektronik No. 973/118/2026"
OFFICE = Office(
    "Kabupaten Contoh", "Dinas Perhubungan", "Pengaduan: 0800-0000-000 (contoh)", PORPORASI
)
VEHICLE = Vehicle(
    VehicleClass.TRUCK,
    SPOT,
    "Jl. Merdeka Ruas 3",
    "Pasar Martapura",
    "DA 8••• AB",
    "J-001 Ahmad Rifani",
)


def facts(**changes: Any) -> ReceiptFacts:
    return ReceiptFacts.from_json(receipt_json(**{"porporasi": PORPORASI, **changes}))


def refund_facts() -> RefundFacts:
    number = receipt_number(f"{REFUND_SERIES}-2026", 7)
    return RefundFacts(
        number=number,
        original_number=receipt_number("MTG-2026", 123),
        regency=OFFICE.regency,
        agency=OFFICE.agency,
        spot_code=SPOT,
        zone="Pasar Martapura",
        paid_rp=10_000,
        amount_rp=10_000,
        reason="Dibayar dua kali",
        method="QRIS",
        refunded_at=AT,
        reference="0198-ref",
        complaint=OFFICE.complaint,
        verify_url=f"https://parkir.contoh.go.id/r/{number}",
    )


ENTRY = slips.Entry(
    number=slip_number("MASUK", RECORD),
    vehicle=VEHICLE,
    started_at=AT,
    regulation="Perda Kab. Contoh No. 1 Tahun 2024",
    rate=HourlyRate(10_000, 5_000, daily_cap_rp=50_000, free_minutes=10),
)
PAYMENT = slips.PaymentCode(
    number=slip_number("BAYAR", RECORD),
    vehicle=VEHICLE,
    amount_rp=25_000,
    qris=qris_text(25_000),
    merchant="PARKIR KAB CONTOH",
    match_code="4711",
    expires_at=AT + timedelta(minutes=15),
)
SHIFT = slips.ClosedShift(
    number=slip_number("TUGAS", RECORD),
    attendant="J-001 Ahmad Rifani",
    opened_at=AT - timedelta(hours=8),
    closed_at=AT,
    qris_count=61,
    qris_rp=187_000,
    cash_count=14,
    cash_rp=43_000,
    counted_rp=42_500,
    expected_rp=43_000,
    owed_rp=43_000,
    share_rp=69_000,
)
DEPOSIT = slips.Deposit(
    number=slip_number("SETOR", RECORD),
    attendant="J-001 Ahmad Rifani",
    shift_number=slip_number("TUGAS", RECORD),
    amount_rp=42_500,
    owed_rp=43_000,
    at=AT,
)
SHARE = slips.PaidShare(
    number="BGH-2026-000003-K-7",
    attendant="J-001 Ahmad Rifani",
    span=(date(2026, 11, 16), date(2026, 11, 21)),
    days=6,
    gross_rp=800_000,
    part="35",
    share_rp=280_000,
    taken_back_rp=700,
    rest_rp=12_000,
    amount_rp=291_300,
    account="Bank Kalimantan Tengah ...678",
    reference="20261123-0077",
    paid_on=date(2026, 11, 23),
)
VOID = slips.Void(
    number=slip_number("BATAL", RECORD),
    entry_number=slip_number("MASUK", RECORD),
    vehicle=VEHICLE,
    started_at=AT - timedelta(minutes=4),
    voided_at=AT,
    reason="Salah kendaraan",
)
WISH = slips.RefundWish(
    number=slip_number("MINTA", RECORD),
    receipt_number=receipt_number("MTG-2026", 123),
    vehicle=VEHICLE,
    paid_rp=10_000,
    reason="Dibayar dua kali",
    at=AT,
)

NOTICE = slips.Notice(
    number=notice.number(notice.series(RECORD), 12),
    vehicle=VEHICLE,
    issued_at=AT,
    finding=Finding.EXPIRED,
    expired_at=AT - timedelta(hours=1),
    amount_rp=5_000,
    photos=2,
    object_until=date(2026, 12, 5),
    regulation="Perda Kab. Contoh No. 1 Tahun 2024",
    pay_url=f"https://parkir.contoh.go.id/p/{SPOT}",
    check_url="https://parkir.contoh.go.id/pemberitahuan/SP-?p=" + "contoh" * 30,
)

SLIPS: dict[str, Callable[[Printing], Document]] = {
    "entry": lambda how: slips.entry(ENTRY, OFFICE, how),
    "payment": lambda how: slips.payment(PAYMENT, OFFICE, how),
    "receipt": lambda how: slips.receipt(facts(), how),
    "shift": lambda how: slips.shift(SHIFT, OFFICE, how),
    "deposit": lambda how: slips.deposit(DEPOSIT, OFFICE, how),
    "share": lambda how: slips.paid_share(SHARE, OFFICE, how),
    "void": lambda how: slips.void(VOID, OFFICE, how),
    "wish": lambda how: slips.refund_wish(WISH, OFFICE, how),
    "notice": lambda how: slips.notice(NOTICE, OFFICE, how),
    "refund": lambda how: slips.refund(refund_facts(), how),
}
