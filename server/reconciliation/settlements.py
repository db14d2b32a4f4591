"""Reading an acquirer's settlement file, CSV or XLSX, by the mapping of that acquirer."""

from contextlib import suppress

from server.errors import Faults, FileRefused
from server.reconciliation import sheets
from server.reconciliation.files import (
    SHORTEST_BATCH,
    LineKey,
    Settlement,
    SettlementRow,
    network_name,
)
from server.reconciliation.mappings import SettlementMapping, mapping
from server.reconciliation.sheets import Line

SANDBOX = mapping(SettlementMapping, "sandbox")


def read(content: bytes, told: SettlementMapping = SANDBOX, merchant: str = "") -> Settlement:
    """All lines of a settlement file; raises FileRefused with everything that is wrong.

    `merchant` is whose money it may hold, where the mapping knows a column for that.
    """
    faults = Faults()
    columns = told.columns
    named = [value for value in vars(columns).values() if value and isinstance(value, str)]
    sheet = sheets.read(content, told, [*named, *columns.paid_at], faults)
    last = sheet.lines.pop() if told.trailer and sheet.lines else None
    rows: list[SettlementRow] = []
    held: list[SettlementRow] = []
    passed_over: list[int] = []
    unsettled: list[SettlementRow] = []
    for line in sheet.lines:
        with faults.gathered():
            _check_line(line, told, merchant)
            says = line.says()
            if "unsettled" in says:
                passed_over.append(line.number)
                with suppress(FileRefused):
                    unsettled.append(_row(line, told, refund="refund" in says, payment=False))
            else:
                row = _row(line, told, refund="refund" in says, payment="payment" in says)
                (held if "held" in says else rows).append(row)
    if not (rows or held or passed_over or faults.found):
        raise FileRefused("the file holds no lines", "berkas tidak berisi baris")
    if told.trailer and last is not None:
        sums = (sum(row.gross_rp for row in rows), sum(row.net_rp for row in rows))
        with faults.gathered():
            sheets.check_trailer(last, told.trailer, len(sheet.lines), *sums, faults)
    for lines in (rows, held):
        _check_twice(lines, faults)
    faults.refuse_any()
    once = {row.key: row for row in unsettled}
    return Settlement(tuple(rows), tuple(held), tuple(passed_over), tuple(once.values()))


def _check_line(line: Line, told: SettlementMapping, merchant: str) -> None:
    sheets.check_width(line)
    line.check_currency(told.columns.currency)
    if merchant and told.columns.merchant and line.name(told.columns.merchant) != merchant:
        raise line.refused("of another merchant", "milik merchant lain")


def _check_twice(rows: list[SettlementRow], faults: Faults) -> None:
    seen: set[LineKey] = set()
    for row in rows:
        if row.key in seen:
            faults.found += FileRefused.in_line(
                row.line_number,
                "the same payment stands twice",
                "pembayaran yang sama tertulis dua kali",
            ).faults
        seen.add(row.key)


def _row(line: Line, told: SettlementMapping, *, refund: bool, payment: bool) -> SettlementRow:
    columns = told.columns
    gross, mdr, vat, withheld, net = _amounts(line, told)
    if gross - mdr - vat - withheld != net:
        less = "mdr, vat and withheld" if columns.vat or columns.withheld else "mdr"
        kurang = less.replace(" and ", " dan ")
        raise line.refused(
            f"{columns.gross} less {less} is not {columns.net}",
            f"{columns.gross} dikurangi {kurang} tidak sama dengan {columns.net}",
        )
    if payment and gross < 0:
        raise line.refused("a payment of less than nothing", "pembayaran kurang dari nol")
    # A refund takes money back, whichever sign its acquirer writes it with.
    sign = -1 if refund and gross > 0 else 1
    paid_at = line.moment(columns.paid_at)
    settled_on = line.day(columns.settlement_date)
    rrn = network_name(line.text(columns.rrn), columns.rrn, line.number) if columns.rrn else None
    reference = line.name(columns.reference) if columns.reference else ""
    theirs = line.filled(columns.acquirer_reference) if columns.acquirer_reference else None
    if not (theirs or reference or rrn):
        names = "/".join(name for name in (columns.reference, columns.rrn) if name)
        raise line.refused(f"{names} is empty", f"{names} kosong")
    return SettlementRow(
        line_number=line.number,
        batch_id=settled_on.strftime(told.batch) if told.batch else _batch(line, columns.batch_id),
        settlement_date=settled_on,
        paid_at=paid_at,
        reference=reference,
        acquirer_reference=theirs,
        rrn=rrn,
        gross_rp=sign * gross,
        mdr_rp=sign * mdr,
        net_rp=sign * net,
        vat_rp=sign * vat,
        withheld_rp=sign * withheld,
    )


def _amounts(line: Line, told: SettlementMapping) -> tuple[int, int, int, int, int]:
    """Gross, fee, its tax, what was withheld and net: the three in between as taken off."""
    columns = told.columns
    fees = -1 if told.fees == "negative" else 1
    withheld = -1 if told.withheld == "given" else 1
    return (
        line.rupiah(columns.gross),
        fees * line.rupiah(columns.mdr),
        fees * line.rupiah(columns.vat) if columns.vat else 0,
        withheld * line.rupiah(columns.withheld) if columns.withheld else 0,
        line.rupiah(columns.net),
    )


def _batch(line: Line, column: str) -> str:
    batch_id = line.filled(column)
    if len("".join(batch_id.split())) < SHORTEST_BATCH:
        raise line.refused(
            f"{column} is shorter than {SHORTEST_BATCH} characters",
            f"{column} kurang dari {SHORTEST_BATCH} karakter",
        )
    return batch_id
