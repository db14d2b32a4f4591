"""Reports of what money costs, what goes back, and by which ways it comes: MDR, refunds, ETPD."""

from collections.abc import Sequence
from datetime import date

from sqlalchemy import Date, cast, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from domain.mdr import mdr, rule_on
from domain.payment import RefundMethod, RefundReason, RefundState
from server.figures import service as figures
from server.identity.models import Officer
from server.ledger import service as ledger
from server.parking.models import ParkingSession
from server.payments.models import Charge, Payment, Refund
from server.reports import takings
from server.reports.table import Asked, Column, Filter, Kind, Report, Row, Said
from server.reports.takings import By
from server.spots.models import Spot, Zone

GROUP = Said("Biaya, pengembalian, dan kanal", "Costs, refunds and channels")
REASONS = {
    RefundReason.PAID_TWICE: Said("dibayar dua kali", "paid twice"),
    RefundReason.PAID_LATE: Said("dibayar terlambat", "paid late"),
    RefundReason.OTHER_AMOUNT: Said("jumlah tidak sesuai", "another amount"),
    RefundReason.WRONG_CHARGE: Said("salah tagihan", "wrong charge"),
    RefundReason.NOT_PARKED: Said("batal parkir", "not parked"),
    RefundReason.OTHER: Said("lainnya", "other"),
}
STATES = {
    RefundState.REQUESTED: Said("menunggu keputusan", "waits for a decision"),
    RefundState.REJECTED: Said("ditolak", "rejected"),
    RefundState.SENDING: Said("sedang dikirim ke acquirer", "being sent to the acquirer"),
    RefundState.UNKNOWN: Said("belum pasti", "not known yet"),
    RefundState.TRANSFER_DUE: Said("menunggu transfer", "waits for the transfer"),
    RefundState.REFUSED: Said("gagal, belum dikembalikan", "failed, not given back"),
    RefundState.DONE: Said("dikembalikan", "given back"),
}
METHODS = {
    RefundMethod.ACQUIRER: Said("acquirer", "acquirer"),
    RefundMethod.TRANSFER: Said("transfer bank", "bank transfer"),
}


async def _fees(db: AsyncSession, asked: Asked) -> Sequence[Row]:
    """Lines of one amount, paid on one day, have one fee due: they are reckoned together."""
    period, rules = asked.period, await ledger.mdr_rules(db)
    told = await figures.fees(
        db, period.first, period.last, asked.books.timezone, asked.of(Filter.ACQUIRER)
    )
    rows: dict[tuple[date, str], dict[str, int]] = {}
    for lines in told:
        row = rows.setdefault((lines.settlement_date, lines.acquirer), {})
        rule = rule_on(rules, asked.books.merchant_criteria, lines.paid_on)
        due_rp = (
            lines.count * mdr(lines.gross_rp, rule)
            if rule and lines.gross_rp >= 0
            else lines.mdr_rp
        )
        sums = {
            "count": lines.count,
            "gross_rp": lines.count * lines.gross_rp,
            "mdr_rp": lines.mdr_rp,
            "due_rp": due_rp,
            "difference_rp": lines.mdr_rp - due_rp,
            "vat_rp": lines.vat_rp,
            "withheld_rp": lines.withheld_rp,
            "net_rp": lines.net_rp,
        }
        for name, value in sums.items():
            row[name] = row.get(name, 0) + value
    return [{"day": day, "acquirer": acquirer, **row} for (day, acquirer), row in rows.items()]


async def _refunds(db: AsyncSession, asked: Asked) -> Sequence[Row]:
    timezone = str(asked.books.timezone)
    asked_on = cast(func.timezone(timezone, Refund.requested_at), Date)
    maker, checker = aliased(Officer), aliased(Officer)
    found = (
        select(Refund, asked_on, Zone.code, maker.login, checker.login)
        .join(Charge, Charge.id == Refund.charge_id)
        .join(Payment, Payment.id == Charge.payment_id)
        .outerjoin(ParkingSession, ParkingSession.id == Payment.parking_session_id)
        .outerjoin(Spot, Spot.id == ParkingSession.spot_id)
        .outerjoin(Zone, Zone.id == Spot.zone_id)
        .join(maker, maker.id == Refund.requested_by)
        .outerjoin(checker, checker.id == Refund.decided_by)
        .where(asked_on.between(asked.period.first, asked.period.last))
        .order_by(Refund.requested_at, Refund.id)
    )
    if (zone := asked.of(Filter.ZONE)) is not None:
        found = found.where(Zone.code == zone)
    if (acquirer := asked.of(Filter.ACQUIRER)) is not None:
        found = found.where(Refund.acquirer == acquirer)
    return [
        {
            "day": day,
            "number": refund.number,
            "zone": zone_code or "–",
            "reason": REASONS[RefundReason(refund.reason)],
            "method": METHODS[RefundMethod(refund.method)],
            "state": STATES[RefundState(refund.state)],
            "asked_rp": refund.amount_rp,
            "back_rp": refund.amount_rp if refund.state == RefundState.DONE else 0,
            "done": refund.business_day,
            "maker": made_by,
            "checker": decided_by or "–",
        }
        for refund, day, zone_code, made_by, decided_by in await db.execute(found)
    ]


async def _channels(db: AsyncSession, asked: Asked) -> Sequence[Row]:
    told = await takings.taken(db, By.MONTH, asked.period, asked)
    return [
        {
            "month": month,
            "count": total.count,
            "digital_count": total.digital_count,
            "voucher_count": total.voucher_count,
            "cash_count": total.cash_count,
            "amount_rp": total.amount_rp,
            "digital_rp": total.digital_rp,
            "voucher_rp": total.voucher_rp,
            "cash_rp": total.cash_rp,
        }
        for (month,), total in sorted(told.items())
    ]


REPORTS = (
    Report(
        "etpd",
        GROUP,
        Said("ETPD / TP2DD: bagian nontunai", "ETPD / TP2DD: share of non-cash"),
        Said(
            "Berapa bagian transaksi dan rupiah yang nontunai?",
            "Which share of transactions and of rupiah is not cash?",
        ),
        (
            Column("month", Said("Bulan", "Month")),
            Column("count", Said("Transaksi", "Transactions"), Kind.COUNT, total=True),
            Column("digital_count", Said("Nontunai", "Non-cash"), Kind.COUNT, total=True),
            Column("voucher_count", Said("Voucher", "Voucher"), Kind.COUNT, total=True),
            Column("cash_count", Said("Tunai", "Cash"), Kind.COUNT, total=True),
            Column(
                "by_count",
                Said("Nontunai % transaksi", "Non-cash % of transactions"),
                Kind.PERCENT,
                share=("digital_count", "count"),
            ),
            Column("amount_rp", Said("Jumlah", "Amount"), Kind.RUPIAH, total=True),
            Column("digital_rp", Said("Nontunai Rp", "Non-cash Rp"), Kind.RUPIAH, total=True),
            Column("voucher_rp", Said("Voucher Rp", "Voucher Rp"), Kind.RUPIAH, total=True),
            Column("cash_rp", Said("Tunai Rp", "Cash Rp"), Kind.RUPIAH, total=True),
            Column(
                "by_amount",
                Said("Nontunai % rupiah", "Non-cash % of rupiah"),
                Kind.PERCENT,
                share=("digital_rp", "amount_rp"),
            ),
        ),
        _channels,
        notes=(
            Said(
                "Nontunai: QRIS, dan langganan yang dibayar lewat QRIS atau bank. Voucher tidak"
                " dihitung nontunai, sebab penjualnya dapat dibayar tunai. Triwulan: pilih tiga"
                " bulannya; barisnya per bulan, jumlahnya untuk triwulan.",
                "Non-cash: QRIS, and passes paid by QRIS or at a bank. Vouchers do not count as"
                " non-cash, since their seller may be paid in cash. For a quarter choose its three"
                " months: a row each, and the quarter in the totals.",
            ),
        ),
        filters=frozenset({Filter.ZONE}),
    ),
    Report(
        "mdr",
        GROUP,
        Said("MDR: potongan acquirer", "MDR: the acquirer's fee"),
        Said(
            "Berapa yang dipotong acquirer, dan sesuai aturankah?",
            "What did the acquirer keep, and is it what the rules say?",
        ),
        (
            Column("day", Said("Tanggal pencairan", "Settled on"), Kind.DAY),
            Column("acquirer", Said("Acquirer", "Acquirer")),
            Column("count", Said("Baris", "Lines"), Kind.COUNT, total=True),
            Column("gross_rp", Said("Bruto", "Gross"), Kind.RUPIAH, total=True),
            Column("mdr_rp", Said("MDR", "MDR"), Kind.RUPIAH, total=True),
            Column("rate", Said("MDR %", "MDR %"), Kind.PERCENT, share=("mdr_rp", "gross_rp")),
            Column("due_rp", Said("Menurut aturan", "By the rules"), Kind.RUPIAH, total=True),
            Column("difference_rp", Said("Selisih", "Difference"), Kind.RUPIAH, total=True),
            Column("vat_rp", Said("PPN", "VAT"), Kind.RUPIAH, total=True),
            Column("withheld_rp", Said("PPh", "Income tax"), Kind.RUPIAH, total=True),
            Column("net_rp", Said("Bersih", "Net"), Kind.RUPIAH, total=True),
        ),
        _fees,
        notes=(
            Said(
                "Dari baris berkas pencairan. Menurut aturan: tarif MDR yang berlaku pada hari"
                " pembayaran untuk jenis merchant ini, per baris, setengah rupiah ke atas; untuk"
                " pengembalian dan hari tanpa aturan dipakai potongan yang diambil.",
                "From the lines of settlement files. By the rules: the MDR rate in force on the day"
                " of payment for this kind of merchant, line by line, half a rupiah up; refunds"
                " and days without a rule count as they were taken.",
            ),
        ),
        filters=frozenset({Filter.ACQUIRER}),
    ),
    Report(
        "pengembalian",
        GROUP,
        Said("Pengembalian", "Refunds"),
        Said(
            "Uang siapa yang dikembalikan, mengapa, dan sudahkah?",
            "Which money was given back, why, and did it arrive?",
        ),
        (
            Column("day", Said("Diminta", "Asked on"), Kind.DAY),
            Column("number", Said("Nomor", "Number")),
            Column("zone", Said("Zona", "Zone")),
            Column("reason", Said("Alasan", "Reason")),
            Column("method", Said("Cara", "Way")),
            Column("state", Said("Keadaan", "State")),
            Column("asked_rp", Said("Diminta", "Asked for"), Kind.RUPIAH, total=True),
            Column("back_rp", Said("Dikembalikan", "Given back"), Kind.RUPIAH, total=True),
            Column("done", Said("Selesai", "Done on"), Kind.DAY),
            Column("maker", Said("Pengusul", "Maker")),
            Column("checker", Said("Pemeriksa", "Checker")),
        ),
        _refunds,
        notes=(
            Said(
                "Menurut hari permintaannya. Dikembalikan: yang terbukti sampai.",
                "By the day it was asked for. Given back: what is proven to have arrived.",
            ),
        ),
        filters=frozenset({Filter.ZONE, Filter.ACQUIRER}),
    ),
)
