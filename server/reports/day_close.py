"""A close of a business day as a paper: who closed it, and every list that its snapshot holds."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from domain.money import format_rp
from server.audit import checkpoints
from server.database import Transactions
from server.moments import day_text
from server.payments.books import Books
from server.reconciliation.models import DayClose
from server.reports.case_words import CASES, DIFFERENCES
from server.reports.documents import Imprint, Paper, paper_pdf
from server.reports.downloads import TYPES, File, Form, Reader, signed_pdf
from server.reports.models import ReportDownload
from server.reports.signing import ReportSigner
from server.reports.table import Column, Kind, Said, Section, Value

NAME = "penutupan"
EXCEPTIONS: Mapping[str, Said] = {
    "quarantine": Said("Catatan perangkat ditahan", "Device's records held back"),
    "count": Said("Selisih hitung giliran", "Difference in a shift count"),
    "unended": Said("Parkir tidak diakhiri", "Stay not ended"),
    "transfer": Said("Transfer bermasalah", "Transfer that went wrong"),
    "claim": Said("Klaim MDR", "Claim of MDR"),
    "held": Said("Ditahan acquirer", "Held back by the acquirer"),
    "unsynced": Said("Perangkat belum mengirim", "Device has not sent all"),
    "shift": Said("Giliran belum ditutup", "Shift not ended"),
    "difference": Said("Selisih pencocokan", "Difference"),
    "case": Said("Titipan dan kasus", "Suspense and cases"),
}
AWAITED: Mapping[str, Said] = {
    "payout-missing": Said("uangnya di bank", "its money at the bank"),
    "file-missing": Said("berkas pencairan", "a settlement file"),
    "not-settled": Said("pencairan", "settlement"),
}
TOTALS: Mapping[str, Said] = {
    "collected_rp": Said("Terkumpul lewat QRIS", "Collected by QRIS"),
    "gross_rp": Said("Dicairkan acquirer (bruto)", "Settled by the acquirer (gross)"),
    "mdr_rp": Said("MDR", "MDR"),
    "net_rp": Said("Dicairkan acquirer (neto)", "Settled by the acquirer (net)"),
    "bank_rp": Said("Masuk bank", "Arrived at the bank"),
}
WORDS: Mapping[str, Mapping[str, Said]] = {
    "means": {
        "qris": Said("QRIS", "QRIS"),
        "cash": Said("Tunai", "Cash"),
        "voucher": Said("Voucher", "Voucher"),
        "pass": Said("Langganan", "Pass"),
        "held": Said("Titipan", "Suspense"),
    },
    "method": {
        "acquirer": Said("Lewat acquirer", "By the acquirer"),
        "transfer": Said("Transfer bank", "Bank transfer"),
    },
    "state": {
        "requested": Said("menunggu keputusan", "waits for a decision"),
        "rejected": Said("ditolak", "rejected"),
        "sending": Said("sedang dikirim", "being sent"),
        "unknown": Said("belum pasti", "not certain"),
        "transfer_due": Said("menunggu transfer", "waits for its transfer"),
        "refused": Said("gagal", "failed"),
        "done": Said("dikembalikan", "returned"),
        "prepared": Said("menunggu persetujuan", "waits for approval"),
        "approved": Said("disetujui", "approved"),
        "seen": Said("keluar dari rekening", "left the account"),
    },
    "file": {
        "settlement": Said("Pencairan", "Settlement"),
        "statement": Said("Rekening koran", "Bank statement"),
        "payout": Said("Hasil bagi hasil", "Result of a payout"),
    },
    "rkud": {
        "True": Said("Kas daerah", "Regency's account"),
        "False": Said("Penerimaan", "Collecting account"),
    },
}


@dataclass(frozen=True)
class List:
    """One list of a snapshot; a column named `x/means` holds words of `WORDS["means"]`."""

    name: str
    title: Said
    columns: Sequence[Column]


def _rp(key: str, bahasa: str, english: str) -> Column:
    return Column(key, Said(bahasa, english), Kind.RUPIAH, total=True)


def _count(key: str = "count") -> Column:
    return Column(key, Said("Banyaknya", "Count"), Kind.COUNT, total=True)


AMOUNT = _rp("amount_rp", "Jumlah", "Amount")
LISTS = (
    List(
        "payments",
        Said("Pembayaran per zona dan cara", "Payments by zone and means"),
        (
            Column("zone", Said("Zona", "Zone")),
            Column("means/means", Said("Cara", "Means")),
            _count(),
            AMOUNT,
        ),
    ),
    List(
        "receipts",
        Said("Nomor karcis", "Receipt numbers"),
        (
            Column("series", Said("Seri", "Series")),
            Column("first", Said("Dari", "From"), Kind.COUNT),
            Column("last", Said("Sampai", "To"), Kind.COUNT),
            _count(),
        ),
    ),
    List(
        "refunds",
        Said("Pengembalian", "Refunds"),
        (
            Column("number", Said("Nomor", "Number")),
            Column("method/method", Said("Cara", "Means")),
            Column("state/state", Said("Keadaan", "State")),
            AMOUNT,
        ),
    ),
    List(
        "deposits",
        Said("Setoran tunai (TBP)", "Deposits of cash (TBP)"),
        (
            Column("number", Said("Nomor", "Number")),
            Column("payer", Said("Penyetor", "Payer")),
            Column("reference", Said("Slip bank", "Bank slip")),
            AMOUNT,
        ),
    ),
    List(
        "remittances",
        Said("Setoran ke kas daerah (STS)", "Deposits to the regency (STS)"),
        (
            Column("number", Said("Nomor", "Number")),
            Column("state/state", Said("Keadaan", "State")),
            _rp("of_day_rp", "Dari hari ini", "Of this day"),
            AMOUNT,
        ),
    ),
    List(
        "batches",
        Said("Batch pencairan", "Settlement batches"),
        (
            Column("acquirer", Said("Acquirer", "Acquirer")),
            Column("batch", Said("Batch", "Batch")),
            _count(),
            _rp("gross_rp", "Bruto", "Gross"),
            _rp("mdr_rp", "MDR", "MDR"),
            _rp("net_rp", "Neto", "Net"),
        ),
    ),
    List(
        "movements",
        Said("Mutasi bank", "Bank movements"),
        (
            Column("rkud/rkud", Said("Rekening", "Account")),
            Column("line", Said("Baris", "Line")),
            Column("named", Said("Cocok dengan", "Matched with")),
            # Without a total: what left one account came to the other.
            Column("amount_rp", AMOUNT.title, Kind.RUPIAH),
        ),
    ),
    List(
        "files",
        Said("Berkas yang dimasukkan", "Files taken in"),
        (
            Column("kind/file", Said("Jenis", "Kind")),
            Column("name", Said("Nama", "Name")),
            Column("sha256", Said("SHA-256", "SHA-256")),
        ),
    ),
)
ACCOUNTS = List(
    "accounts",
    Said("Neraca saldo pada akhir hari", "Trial balance at the end of the day"),
    (
        Column("code", Said("Akun", "Account")),
        Column("name", Said("Nama", "Name")),
        _rp("debit_rp", "Debit hari ini", "Debit of the day"),
        _rp("credit_rp", "Kredit hari ini", "Credit of the day"),
        _rp("balance_rp", "Saldo", "Balance"),
    ),
)
OPEN = (
    Column("kind", Said("Jenis", "Kind")),
    Column("subject", Said("Tentang", "About")),
    _count(),
    AMOUNT,
)
EXPECTED = (
    Column("kind", Said("Yang ditunggu", "What is awaited")),
    Column("of", Said("Tentang", "About")),
    Column("until", Said("Ditunggu sampai", "Awaited until"), Kind.DAY),
    Column("count", Said("Banyaknya", "Count"), Kind.COUNT),
    Column("amount_rp", Said("Jumlah", "Amount"), Kind.RUPIAH),
)


def sections(snapshot: Mapping[str, Any]) -> list[Section]:
    """The lists that a snapshot holds; older ones hold none."""
    kept = snapshot.get("lists", {})
    return [_section(one, kept[one.name]) for one in LISTS if one.name in kept]


def _section(told: List, rows: Sequence[Mapping[str, Any]]) -> Section:
    return Section(
        told.title, told.columns, [[_value(c, row) for c in told.columns] for row in rows]
    )


def _value(column: Column, row: Mapping[str, Any]) -> Any:
    key, _, words = column.key.partition("/")
    value = row.get(key)
    return WORDS[words].get(str(value), str(value)) if words else value


def paper(close: DayClose, acts: Sequence[tuple[Said, str]]) -> Paper:
    """Everything that the snapshot holds; `acts` are who did what about the close."""
    told = close.snapshot
    facts = [
        *acts,
        (Said("Catatan", "Note"), close.note or "-"),
        (Said("SHA-256 isinya", "SHA-256 of what it holds"), close.sha256.hex()),
        *((TOTALS[name], format_rp(rp)) for name, rp in told["totals"].items() if name in TOTALS),
    ]
    lists = [Section(Said("Yang masih terbuka", "Still open"), OPEN, _open(told))]
    if "expected" in told:
        title = Said("Belum jatuh tempo", "Not due yet")
        lists.append(Section(title, EXPECTED, [_awaited(one) for one in told["expected"]]))
    lists += sections(told)
    if "accounts" in told:
        lists.append(_section(ACCOUNTS, told["accounts"]))
    day = close.day
    title = Said(
        f"Penutupan hari usaha {day_text(day, 'id')}, nomor {close.number}",
        f"Close of the business day {day_text(day, 'en')}, number {close.number}",
    )
    return Paper(title, facts, lists)


def _open(told: Mapping[str, Any]) -> list[list[Value]]:
    """Differences and cases one by one, the other exceptions by kind."""
    differences = [
        [
            EXCEPTIONS["difference"],
            _about(DIFFERENCES[one["kind"]], one["subject"]),
            1,
            one["difference_rp"],
        ]
        for one in told.get("differences", ())
    ]
    cases = [
        [EXCEPTIONS["case"], _about(CASES[one["kind"]], one["id"]), 1, one["amount_rp"]]
        for one in told.get("cases", ())
    ]
    rest = [
        [EXCEPTIONS[one["kind"]], "", one["count"], one["amount_rp"]]
        for one in told.get("exceptions", ())
    ]
    return [*differences, *cases, *rest]


def _about(kind: Said, subject: str) -> Said:
    return Said(f"{kind.bahasa}: {subject}", f"{kind.english}: {subject}")


def _awaited(one: Mapping[str, Any]) -> list[Value]:
    until = date.fromisoformat(one["until"])
    return [AWAITED[one["kind"]], one["of"], until, one["count"], one["amount_rp"]]


async def make(
    transactions: Transactions,
    close: DayClose,
    acts: Sequence[tuple[Said, str]],
    books: Books,
    reader: Reader,
    signer: ReportSigner | None,
    *,
    now: datetime,
) -> File:
    """The paper as a PDF, signed as reports are; it is written down that it was taken out.

    Raises ReportNotSigned.
    """
    async with transactions.begin() as db:
        checkpoint = await checkpoints.newest(db)
    named = None if signer is None else signer.name
    imprint = Imprint(reader.who, now.astimezone(books.timezone), named, checkpoint)
    told = paper(close, acts)

    def draw(imprint: Imprint) -> bytes:
        return paper_pdf(told, books, reader.language, imprint)

    content = await asyncio.to_thread(signed_pdf, draw, imprint, signer)
    async with transactions.begin() as db:
        db.add(
            ReportDownload(
                who=reader.who,
                report=NAME,
                form=Form.PDF.value,
                first_day=close.day,
                last_day=close.day,
                filters={"number": str(close.number)},
                row_count=sum(len(one.rows) for one in told.sections),
                sha256=hashlib.sha256(content).digest(),
                made_at=now,
            )
        )
    return File(f"{NAME}-{close.day}-{close.number}.pdf", TYPES[Form.PDF], content)
