"""The list of cases as a file, by the filters of its page."""

import csv
import hashlib
import io
from datetime import datetime

from server.casework.models import CaseKind
from server.database import Transactions
from server.ledger.reports import BYTE_ORDER_MARK, harmless
from server.office import case_list
from server.office.case_list import Listed, Wanted
from server.payments.books import Books
from server.reports.downloads import Form, Reader, ReportTooLong
from server.reports.models import ReportDownload
from server.reports.table import Said

MOST = 10_000
HEAD = (
    Said("Jenis", "Kind"),
    Said("Rincian", "Detail"),
    Said("Tentang", "About"),
    Said("Jumlah", "Amount"),
    Said("Penanggung jawab", "Responsible"),
    Said("Dibuka", "Opened"),
    Said("Umur (hari)", "Age (days)"),
    Said("Batas", "Due"),
    Said("Terlambat", "Late"),
    Said("Keadaan", "State"),
    Said("Ditangani", "Worked on by"),
)
KINDS = {
    CaseKind.DISCREPANCY: Said("selisih pencocokan", "difference"),
    CaseKind.SUSPENSE: Said("titipan", "suspense"),
    CaseKind.REFUND: Said("pengembalian", "refund"),
    CaseKind.UNENDED: Said("parkir tidak diakhiri", "stay not ended"),
    CaseKind.COUNT: Said("selisih hitung giliran", "difference in a shift count"),
    CaseKind.QUARANTINE: Said("catatan perangkat ditahan", "device's records held back"),
    CaseKind.COMPLAINT: Said("pengaduan", "complaint"),
    CaseKind.SIGN: Said("tanda bermasalah", "sign at fault"),
    CaseKind.CLAIM: Said("klaim MDR", "claim of MDR"),
    CaseKind.TRANSFER: Said("transfer bermasalah", "transfer that went wrong"),
}
STATES = {
    "open": Said("terbuka", "open"),
    "proposed": Said("diusulkan", "proposed"),
    "closed": Said("selesai", "closed"),
}
YES = Said("ya", "yes")


async def make(
    transactions: Transactions, books: Books, wanted: Wanted, reader: Reader, *, now: datetime
) -> bytes:
    """As Indonesian spreadsheets read it, and written down; raises ReportTooLong."""
    async with transactions.begin() as db:
        found = await case_list.page(db, books, wanted, now=now, size=MOST)
    if found.after:
        raise ReportTooLong(f"> {MOST}")
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
    writer.writerow(title.in_(reader.language) for title in HEAD)
    writer.writerows(_line(case, books, reader.language) for case in found.cases)
    content = (BYTE_ORDER_MARK + out.getvalue()).encode()
    today = books.day(now)
    async with transactions.begin() as db:
        db.add(
            ReportDownload(
                who=reader.who,
                report="kasus",
                form=Form.CSV.value,
                first_day=today,
                last_day=today,
                filters=_told(wanted),
                row_count=len(found.cases),
                sha256=hashlib.sha256(content).digest(),
                made_at=now,
            )
        )
    return content


def _told(wanted: Wanted) -> dict[str, str]:
    told = {
        "whose": wanted.whose.value,
        "age": wanted.band.value if wanted.band else "",
        "state": wanted.state.value,
        "q": wanted.text,
    }
    kinds = {"kind": wanted.kinds[0].value} if len(wanted.kinds) == 1 else {}
    return kinds | {name: value for name, value in told.items() if value}


def _line(case: Listed, books: Books, language: str) -> list[str]:
    return [
        KINDS[case.kind].in_(language),
        case.detail,
        harmless(case.subject or ""),
        "" if case.amount_rp is None else str(case.amount_rp),
        case.owner,
        f"{case.opened_at.astimezone(books.timezone):%Y-%m-%d %H.%M}",
        str(case.age_days),
        str(case.due_on or ""),
        YES.in_(language) if case.late else "",
        STATES[case.state].in_(language),
        harmless(case.assigned or ""),
    ]
