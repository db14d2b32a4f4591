"""Reports of single attendants: what they owe and are owed, and claims that stand out from peers'.

A figure that stands out is a reason to look, and no more: the reports say so.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.shares import zone_of
from server.figures import service as figures
from server.identity.models import Attendant, Shift, ShiftClosing, ShiftDifference
from server.identity.service import Right
from server.ledger import postings
from server.parking.models import StayVoid
from server.payments import cases
from server.payments.models import Case, Money, PooledCharge
from server.reconciliation import payees
from server.reconciliation.payees import Parties
from server.reports import takings
from server.reports.bands import Band, bands
from server.reports.table import Asked, Column, Filter, Kind, Report, Row, Said
from server.reports.takings import By
from server.sync.models import ProofClaim

GROUP = Said("Juru parkir", "Attendants")
BANDS = {
    Band.TOO_FEW: Said("data belum cukup", "too little to tell"),
    Band.USUAL: Said("biasa", "usual"),
    Band.HIGH: Said("tinggi: perlu dilihat", "high: worth a look"),
}


async def _claims(db: AsyncSession, asked: Asked) -> Sequence[Row]:
    served = await takings.taken(db, By.ATTENDANT, asked.period, asked)
    stays = {code: total.count for (code,), total in served.items() if code}
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for name, counts in (await _counted(db, asked)).items():
        for code, count in counts.items():
            found[code][name] = count
    names = await takings.attendants(db)
    codes = sorted(code for code in {*stays, *found} if asked.of(Filter.ATTENDANT) in (None, code))
    claims = {code: sum(found[code].get(name, 0) for name in CLAIMS) for code in {*stays, *found}}
    placed = bands({code: (claims[code], stays.get(code, 0)) for code in claims})
    return [
        {
            "attendant": code,
            "attendant_name": names.get(code, ""),
            "stays": stays.get(code, 0),
            **{name: found[code].get(name, 0) for name in (*CLAIMS, "difference_rp")},
            "claims": claims[code],
            "median": placed.median,
            "upper": placed.upper,
            "band": BANDS[placed.of[code]],
        }
        for code in codes
    ]


CLAIMS = ("voids", "no_money", "doubtful", "counts")


async def _counted(db: AsyncSession, asked: Asked) -> Mapping[str, dict[str, int]]:
    """What is counted of each attendant, by his code."""
    first, after = _moments(asked)
    code = Attendant.code
    voids = (
        select(code, func.count())
        .select_from(StayVoid)
        .join(Shift, Shift.id == StayVoid.shift_id)
        .where(StayVoid.voided_at >= first, StayVoid.voided_at < after)
    )
    # A barcode that was shown to a driver, of whom no money ever came.
    no_money = (
        select(code, func.count())
        .select_from(PooledCharge)
        .join(Shift, Shift.id == _shift_then())
        .outerjoin(Money, Money.charge_id == PooledCharge.charge_id)
        .where(PooledCharge.claimed_at >= first, PooledCharge.claimed_at < after)
        .where(Money.id.is_(None))
    )
    doubtful = (
        select(code, func.count())
        .select_from(Case)
        .join(ProofClaim, ProofClaim.charge_id == Case.charge_id)
        .join(Shift, Shift.id == ProofClaim.shift_id)
        .where(
            Case.kind == cases.PROOF_TAKEN_TWICE, Case.opened_at >= first, Case.opened_at < after
        )
    )
    differences = (
        select(code, func.count(), func.sum(ShiftDifference.difference_rp))
        .select_from(ShiftDifference)
        .join(ShiftClosing, ShiftClosing.shift_id == ShiftDifference.shift_id)
        .join(Shift, Shift.id == ShiftDifference.shift_id)
        .where(ShiftClosing.closed_at >= first, ShiftClosing.closed_at < after)
    )
    told: dict[str, dict[str, int]] = {}
    for name, query in (("voids", voids), ("no_money", no_money), ("doubtful", doubtful)):
        told[name] = {row[0]: row[1] for row in await _by_attendant(db, query)}
    counts = await _by_attendant(db, differences)
    told["counts"] = {row[0]: row[1] for row in counts}
    told["difference_rp"] = {row[0]: int(row[2]) for row in counts}
    return told


def _shift_then() -> Any:
    """The shift on which a device was when it told of a barcode it had shown."""
    return (
        select(Shift.id)
        .where(
            Shift.device_id == PooledCharge.device_id, Shift.opened_at <= PooledCharge.claimed_at
        )
        .order_by(Shift.opened_at.desc())
        .limit(1)
        .correlate(PooledCharge)
        .scalar_subquery()
    )


async def _by_attendant(db: AsyncSession, query: Any) -> Sequence[Any]:
    joined = query.join(Attendant, Attendant.id == Shift.attendant_id).group_by(Attendant.code)
    return (await db.execute(joined)).all()


def _moments(asked: Asked) -> tuple[datetime, datetime]:
    """From when, and until when: as payments are counted, by business days."""
    days, period = asked.books.business_days, asked.period
    return days.bounds(period.first)[0], days.bounds(period.last)[1]


async def _balances(
    db: AsyncSession, asked: Asked, account: str
) -> dict[str, tuple[int, int, int]]:
    """Of each party of an account: what stood at first, what was added, and what was taken off."""
    period, attendant = asked.period, asked.of(Filter.ATTENDANT)
    told = await figures.parties(db, account, period.first, period.last, asked.books.timezone)
    return {
        one.party: (one.before_rp, one.added_rp, one.taken_rp)
        for one in told
        if attendant in (None, one.party)
    }


async def _deposits(db: AsyncSession, asked: Asked) -> Sequence[Row]:
    names = await takings.attendants(db)
    balances = await _balances(db, asked, postings.CASH_HELD)
    return [
        {
            "attendant": code,
            "attendant_name": names.get(code, ""),
            "before_rp": before,
            "cash_rp": taken,
            "paid_in_rp": -paid_in,
            "owed_rp": before + taken + paid_in,
        }
        for code, (before, taken, paid_in) in balances.items()
        if before or taken or paid_in
    ]


def _name(known: Parties, account: str, party: str) -> str | Said:
    if account == postings.THIRD_PARTY_PAYABLE:
        return Said("pihak ketiga", "third party")
    if zone_of(party) is None:
        return known.attendants.get(party, "")
    return Said(known.called(party), known.called(party, "en"))


async def _shares(db: AsyncSession, asked: Asked) -> Sequence[Row]:
    known = await payees.parties(db, asked.books.regency)
    rows: list[Row] = []
    for account in (postings.ATTENDANT_PAYABLE, postings.THIRD_PARTY_PAYABLE):
        balances = await _balances(db, asked, account)
        rows += [
            {
                "party": zone_of(party) or party,
                "party_name": _name(known, account, party),
                "before_rp": -before,
                "earned_rp": -earned,
                "paid_rp": paid,
                "owed_rp": -(before + earned + paid),
            }
            for party, (before, paid, earned) in balances.items()
            if before or earned or paid
        ]
    return rows


ATTENDANT = Column("attendant", Said("Juru parkir", "Attendant"))
NAME = Column("attendant_name", Said("Nama", "Name"))
REASON_TO_LOOK = Said(
    "Angka tinggi adalah alasan untuk melihat, bukan tuduhan: tempat yang ramai, sinyal yang buruk,"
    " atau giliran malam juga membuatnya tinggi. Tanyakan dahulu.",
    "A high figure is a reason to look, not an accusation: a busy place, bad reception or night"
    " shifts make one too. Ask first.",
)

REPORTS = (
    Report(
        "klaim",
        GROUP,
        Said("Klaim tanpa pasangan per juru parkir", "Unmatched claims by attendant"),
        Said(
            "Pada siapa catatan dan uang lebih sering tidak bertemu?",
            "With whom do records and money fail to meet more often?",
        ),
        (
            ATTENDANT,
            NAME,
            Column("stays", Said("Pembayaran", "Payments"), Kind.COUNT, total=True),
            Column("voids", Said("Pembatalan", "Voids"), Kind.COUNT, total=True),
            Column(
                "no_money",
                Said("Barcode tanpa uang", "Barcodes without money"),
                Kind.COUNT,
                total=True,
            ),
            Column(
                "doubtful", Said("Bukti dipakai ganda", "Proofs used twice"), Kind.COUNT, total=True
            ),
            Column("counts", Said("Selisih hitung", "Count differences"), Kind.COUNT, total=True),
            Column(
                "difference_rp",
                Said("Selisih Rp", "Difference Rp"),
                Kind.RUPIAH,
                total=True,
                needs=Right.SEE_BOOKS,
            ),
            Column("claims", Said("Klaim", "Claims"), Kind.COUNT, total=True),
            Column("rate", Said("Per 100", "Per 100"), Kind.PERCENT, share=("claims", "stays")),
            Column("median", Said("Median sejawat", "Peers' median"), Kind.PERCENT),
            Column("upper", Said("Batas atas", "Upper bound"), Kind.PERCENT),
            Column("band", Said("Dibanding sejawat", "Against peers")),
        ),
        _claims,
        notes=(
            REASON_TO_LOOK,
            Said(
                "Klaim = pembatalan parkir + barcode cadangan yang ditunjukkan dan tidak pernah"
                " dibayar + bukti bayar yang dipakai dua kali + selisih hitung tunai saat menutup"
                " giliran; per 100 pembayaran yang dilayani. Batas atas = kuartil ketiga + 1,5 x"
                " jarak antarkuartil dari semua sejawat dengan sedikitnya 20 pembayaran; dengan"
                " kurang dari empat sejawat tidak ada batas.",
                "Claims = voided stays + barcodes issued ahead that were shown and never paid +"
                " proofs of payment used twice + differences in counted cash at the end of a shift;"
                " per 100 payments served. Upper bound = third quartile + 1.5 x interquartile range"
                " of all peers with at least 20 payments; below four peers there is no bound.",
            ),
        ),
        filters=frozenset({Filter.ATTENDANT}),
        needs=Right.SEE_WORK,
    ),
    Report(
        "setoran",
        GROUP,
        Said("Setoran dan tunggakan juru parkir", "Deposits and arrears of attendants"),
        Said(
            "Siapa masih memegang uang tunai yang belum disetor?",
            "Who still holds cash that was not paid in?",
        ),
        (
            ATTENDANT,
            NAME,
            Column("before_rp", Said("Tunggakan awal", "Owed at first"), Kind.RUPIAH, total=True),
            Column("cash_rp", Said("Tunai diterima", "Cash taken"), Kind.RUPIAH, total=True),
            Column("paid_in_rp", Said("Disetor", "Paid in"), Kind.RUPIAH, total=True),
            Column("owed_rp", Said("Tunggakan akhir", "Owed at last"), Kind.RUPIAH, total=True),
            Column(
                "share",
                Said("Disetor %", "Paid in %"),
                Kind.PERCENT,
                share=("paid_in_rp", "cash_rp"),
            ),
        ),
        _deposits,
        notes=(
            Said(
                "Dari akun 1140 buku besar, per juru parkir. Tunggakan akhir = tunggakan awal +"
                " tunai diterima - disetor.",
                "From account 1140 of the ledger, by attendant. Owed at last = owed at first + cash"
                " taken - paid in.",
            ),
        ),
        filters=frozenset({Filter.ATTENDANT}),
    ),
    Report(
        "bagi-hasil",
        GROUP,
        Said("Bagi hasil: utang dan pembayaran", "Shares: owed and paid"),
        Said("Berapa bagian yang terutang dan yang dibayar?", "Which shares are owed, which paid?"),
        (
            Column("party", Said("Pihak", "Party")),
            Column("party_name", Said("Nama", "Name")),
            Column("before_rp", Said("Utang awal", "Owed at first"), Kind.RUPIAH, total=True),
            Column("earned_rp", Said("Bertambah", "Earned"), Kind.RUPIAH, total=True),
            Column("paid_rp", Said("Berkurang", "Paid or taken back"), Kind.RUPIAH, total=True),
            Column("owed_rp", Said("Utang akhir", "Owed at last"), Kind.RUPIAH, total=True),
        ),
        _shares,
        notes=(
            Said(
                "Dari akun 2120 dan 2130 buku besar. Berkurang: dibayar, atau ditarik kembali"
                " karena pengembalian.",
                "From accounts 2120 and 2130 of the ledger. Paid or taken back: paid out, or undone"
                " by a refund.",
            ),
        ),
        filters=frozenset({Filter.ATTENDANT}),
    ),
)
