"""Reports of what came in: one for each thing that takings are grouped by."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from server.identity.service import Right
from server.reports import takings
from server.reports.table import Asked, Column, Filter, Kind, Report, Row, Said
from server.reports.takings import By

GROUP = Said("Penerimaan", "Takings")
SUMS = (
    Column("count", Said("Pembayaran", "Payments"), Kind.COUNT, total=True),
    Column("amount_rp", Said("Jumlah", "Amount"), Kind.RUPIAH, total=True),
    Column("digital_rp", Said("Nontunai", "Digital"), Kind.RUPIAH, total=True),
    Column("cash_rp", Said("Tunai", "Cash"), Kind.RUPIAH, total=True),
    Column("voucher_rp", Said("Voucher", "Voucher"), Kind.RUPIAH, total=True),
    Column(
        "digital", Said("Nontunai %", "Digital %"), Kind.PERCENT, share=("digital_rp", "amount_rp")
    ),
    Column("recognised_rp", Said("Diakui kemudian", "Recognised later"), Kind.RUPIAH, total=True),
    Column("refunded_rp", Said("Dikembalikan", "Refunded"), Kind.RUPIAH, total=True),
    Column("net_rp", Said("Bersih", "Net"), Kind.RUPIAH, total=True),
)
WHAT_COUNTS = Said(
    "Jumlah: pembayaran yang terbukti dan tepat jumlahnya, menurut hari usaha, dengan langganan."
    " Bersih = jumlah + titipan yang diakui kemudian - pengembalian yang diputus, masing-masing"
    " pada hari keputusannya; sama dengan akun pendapatan 4110 dan 4120 di buku besar.",
    "Amount: proven payments of the exact amount, by business day, passes included. Net = amount"
    " + suspense recognised later - refunds decided, each on the day of its decision; the same as"
    " the revenue accounts 4110 and 4120 of the ledger.",
)
DIGITAL = Said(
    "Nontunai: QRIS dan langganan. Voucher dibayar di muka dan dihitung tersendiri.",
    "Digital: QRIS and passes. Vouchers are paid for beforehand and counted apart.",
)
BY_SHIFT = Said(
    "Pembayaran milik juru parkir yang perangkatnya memintanya; pengemudi yang membayar sendiri"
    " dari tanda tidak punya juru parkir.",
    "A payment is of the attendant whose handheld asked for it; drivers who pay by themselves at a"
    " sign have none.",
)
PERSONAL = Right.SEE_BOOKS


def _report(
    name: str,
    by: By,
    title: Said,
    question: Said,
    keys: Sequence[Column],
    *,
    notes: Sequence[Said] = (),
    personal: bool = False,
) -> Report:
    async def rows(db: AsyncSession, asked: Asked) -> Sequence[Row]:
        return await takings.rows(db, by, asked)

    sums = [
        Column(c.key, c.title, c.kind, c.total, c.share, PERSONAL)
        if personal and c.kind is Kind.RUPIAH
        else c
        for c in SUMS
    ]
    return Report(
        name,
        GROUP,
        title,
        question,
        (*keys, *sums),
        rows,
        notes=(WHAT_COUNTS, DIGITAL, *notes),
        filters=frozenset(Filter),
        comparable=not personal,
        needs=Right.SEE_WORK,
        keeps_to_zones=True,
    )


ZONE = Column("zone", Said("Zona", "Zone"))
ATTENDANT = Column("attendant", Said("Juru parkir", "Attendant"))
NAME = Column("attendant_name", Said("Nama", "Name"))

REPORTS = (
    _report(
        "harian",
        By.DAY,
        Said("Penerimaan per hari", "Takings by day"),
        Said("Berapa yang masuk setiap hari?", "What came in each day?"),
        (Column("day", Said("Hari usaha", "Business day"), Kind.DAY),),
    ),
    _report(
        "zona",
        By.ZONE,
        Said("Penerimaan per zona", "Takings by zone"),
        Said("Zona mana yang menghasilkan berapa?", "Which zone brings in what?"),
        (ZONE, Column("zone_name", Said("Nama", "Name"))),
    ),
    _report(
        "titik",
        By.SPOT,
        Said("Penerimaan per titik", "Takings by spot"),
        Said("Titik mana yang menghasilkan berapa?", "Which spot brings in what?"),
        (
            ZONE,
            Column("spot", Said("Titik", "Spot")),
            Column("place", Said("Tempat", "Place")),
        ),
    ),
    _report(
        "kendaraan",
        By.CLASS,
        Said("Penerimaan per jenis kendaraan", "Takings by vehicle class"),
        Said("Kendaraan apa yang membayar berapa?", "Which vehicles pay what?"),
        (Column("class", Said("Kendaraan", "Vehicle")),),
    ),
    _report(
        "jam",
        By.HOUR,
        Said("Penerimaan per jam", "Takings by hour"),
        Said("Jam berapa yang ramai?", "Which hours are busy?"),
        (Column("hour", Said("Jam", "Hour")),),
        notes=(Said("Jam pembayaran, waktu setempat.", "The hour of payment, local time."),),
    ),
    _report(
        "kanal",
        By.ACQUIRER,
        Said("Penerimaan per acquirer dan cara bayar", "Takings by acquirer and means"),
        Said("Lewat mana uang masuk?", "Through whom does money come?"),
        (Column("acquirer", Said("Lewat", "Through")),),
    ),
    _report(
        "juru-parkir",
        By.ATTENDANT,
        Said("Penerimaan per juru parkir", "Takings by attendant"),
        Said("Berapa yang dilayani setiap juru parkir?", "What did each attendant serve?"),
        (ATTENDANT, NAME),
        notes=(BY_SHIFT,),
        personal=True,
    ),
    _report(
        "giliran",
        By.SHIFT,
        Said("Penerimaan per giliran", "Takings by shift"),
        Said("Berapa yang dilayani pada setiap giliran?", "What was served on each shift?"),
        (Column("opened", Said("Giliran dibuka", "Shift opened")), ATTENDANT),
        notes=(BY_SHIFT,),
        personal=True,
    ),
)
