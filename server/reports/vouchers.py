"""Reports of vouchers: what became of each batch and is owed to bearers, and what sellers owe."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from server.payments import voucher_stock
from server.payments.voucher_stock import Stock
from server.reports.table import Asked, Column, Kind, Report, Row, Said

GROUP = Said("Voucher", "Vouchers")


async def _batches(db: AsyncSession, asked: Asked) -> Sequence[Row]:
    days = asked.books.business_days
    since, _ = days.bounds(asked.period.first)
    _, until = days.bounds(asked.period.last)
    over = min(asked.period.last + timedelta(days=1), asked.today)
    rows = await voucher_stock.stock(db, until, since=since)
    return [
        _row(one, one.expired(over), is_new=one.issued_at >= since)
        for one in sorted(rows, key=lambda one: (one.seller, one.batch))
        if one.issued_at >= since or one.left_before
    ]


def _row(one: Stock, expired: int, *, is_new: bool) -> Row:
    issued = one.count if is_new else 0
    redeemed, voided = one.redeemed - one.redeemed_before, one.voided - one.voided_before
    return {
        "seller": one.seller,
        "batch": f"{one.batch:04}",
        "until": one.valid_until,
        "value_rp": one.value_rp,
        "before_rp": 0 if is_new else one.left_before * one.value_rp,
        "issued": issued,
        "issued_rp": issued * one.value_rp,
        "redeemed": redeemed,
        "redeemed_rp": redeemed * one.value_rp,
        "voided": voided,
        "voided_rp": voided * one.value_rp,
        "left": one.left,
        "owed_rp": one.left_rp,
        "expired_rp": expired * one.value_rp,
    }


async def _sellers(db: AsyncSession, asked: Asked) -> Sequence[Row]:
    return [
        {
            "seller": one.seller,
            "before_rp": one.before_rp,
            "given_rp": one.given_rp,
            "voided_rp": one.voided_rp,
            "paid_rp": one.paid_rp,
            "owed_rp": one.owed_rp,
        }
        for one in await voucher_stock.accounts(db, asked.period.first, asked.period.last)
    ]


def _rupiah(key: str, bahasa: str, english: str) -> Column:
    return Column(key, Said(bahasa, english), Kind.RUPIAH, total=True)


def _count(key: str, bahasa: str, english: str) -> Column:
    return Column(key, Said(bahasa, english), Kind.COUNT, total=True)


REPORTS = (
    Report(
        "voucher",
        GROUP,
        Said("Voucher per batch dan penjual", "Vouchers by batch and seller"),
        Said(
            "Berapa voucher diterbitkan, dipakai, dibatalkan, dan masih terutang?",
            "How many vouchers were issued, used and voided, and are still owed?",
        ),
        (
            Column("seller", Said("Penjual", "Seller")),
            Column("batch", Said("Batch", "Batch")),
            Column("until", Said("Hari terakhir", "Last day"), Kind.DAY),
            Column("value_rp", Said("Nilai", "Value"), Kind.RUPIAH),
            _rupiah("before_rp", "Terutang di awal", "Owed at first"),
            _count("issued", "Diterbitkan", "Issued"),
            _rupiah("issued_rp", "Diterbitkan Rp", "Issued Rp"),
            _count("redeemed", "Dipakai", "Used"),
            _rupiah("redeemed_rp", "Dipakai Rp", "Used Rp"),
            _count("voided", "Dibatalkan", "Voided"),
            _rupiah("voided_rp", "Dibatalkan Rp", "Voided Rp"),
            _count("left", "Sisa", "Left"),
            _rupiah("owed_rp", "Terutang di akhir", "Owed at last"),
            _rupiah("expired_rp", "Di antaranya kedaluwarsa", "Of which expired"),
        ),
        _batches,
        notes=(
            Said(
                "Terutang di awal + diterbitkan - dipakai - dibatalkan = terutang di akhir, dan itu"
                " saldo akun 2140 pada hari terakhir. Dipakai dihitung senilai vouchernya, bukan"
                " tarif parkirnya. Yang kedaluwarsa tidak dibatalkan lagi dan tetap di 2140.",
                "Owed at first + issued - used - voided = owed at last, which is the balance of"
                " account 2140 on the last day. What was used counts by the voucher's value, not"
                " by the price of the stay. What expired is voided no more and stays on 2140.",
            ),
        ),
    ),
    Report(
        "voucher-penjual",
        GROUP,
        Said("Utang penjual voucher", "What sellers of vouchers owe"),
        Said(
            "Penjual voucher mana yang belum membayar kantor?",
            "Which sellers of vouchers have not paid the office?",
        ),
        (
            Column("seller", Said("Penjual", "Seller")),
            _rupiah("before_rp", "Terutang di awal", "Owed at first"),
            _rupiah("given_rp", "Diserahkan", "Handed over"),
            _rupiah("voided_rp", "Dibatalkan", "Voided"),
            _rupiah("paid_rp", "Dibayar", "Paid"),
            _rupiah("owed_rp", "Terutang di akhir", "Owed at last"),
        ),
        _sellers,
        notes=(
            Said(
                "Akun 1170 menurut penjual. Dibayar: slip setoran yang dicatat kantor; yang belum"
                " terlihat di rekening koran menjadi selisih.",
                "Account 1170 by seller. Paid: the bank's slips that the office recorded; what the"
                " statement does not show becomes a difference.",
            ),
        ),
    ),
)
