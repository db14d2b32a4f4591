"""T23 and T24: files of acquirer and bank that come late, twice, cut off, or plainly wrong.

All that is settled is known from the sandbox. Each file is right, or wrong so that it must be
refused whole, or tells of something that must come up as a difference, to the rupiah. The control
takes each line as it comes.
"""

import asyncio
import csv
import io
import json
import signal
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from server import sample
from tests import forks
from tests.faults.returning import desk_of
from tests.faults.stage import Stage, _payments

HEADER = (
    "batch_id,settlement_date,transaction_time,partner_reference_no,reference_no,rrn,gross,mdr,net,"
    "currency"
)
HELD_LINES = 200_000
REFUSED, TAKEN, WAITS = 1, 0, 4
TABLES = ("imported_files", "settlement_lines", "held_lines", "unsettled_lines", "statement_lines",
          "ledger_entries", "ledger_postings", "cases")  # fmt: skip


@dataclass(frozen=True)
class Line:
    batch: str
    paid_on: date
    reference: str
    acquirer_reference: str
    rrn: str
    gross: int
    mdr: int = 0
    currency: str = "IDR"

    def text(self) -> str:
        day, net = self.paid_on.isoformat(), self.gross - self.mdr
        return (
            f"{self.batch},{day},{day}T12:00:00+07:00,{self.reference},{self.acquirer_reference},"
            f"{self.rrn},{self.gross},{self.mdr},{net},{self.currency}"
        )


def table(lines: Sequence[Line], end: str = "\n") -> bytes:
    return (end.join([HEADER, *(line.text() for line in lines)]) + end).encode()


def dana(lines: Sequence[Line], merchant: str, offset_cents: int = 0) -> bytes:
    head = (
        "SETTLEMENT_TXN_ID;SETTLE_DATE;TXN_TIME;MERCHANT_TRANS_ID;ACQUIREMENT_ID;RRN;MID;TXN_TYPE;"
        "TXN_AMOUNT;FEE;VAT;WHT;NET_AMOUNT;TXN_CURRENCY"
    )
    rows = [
        f"{s.batch};{s.paid_on:%Y%m%d};{s.paid_on:%Y%m%d}120000;{s.reference};"
        f"{s.acquirer_reference};{s.rrn};{merchant};PAYMENT;{s.gross * 100 + offset_cents};"
        f"{s.mdr * 100};0;0;{(s.gross - s.mdr) * 100};IDR"
        for s in lines
    ]
    return ("\n".join([head, *rows]) + "\n").encode()


def nicepay(
    lines: Sequence[Line], *, code: str = "00", hold: str = "Off", count: int | None = None,
    trailer: bool = True,
) -> bytes:  # fmt: skip
    settles = code == "00" and hold == "Off"
    told = [
        f"Payment;{s.paid_on:%d/%m/%Y};{s.paid_on:%d/%m/%Y};12:00:00;{s.reference};"
        f"{s.acquirer_reference};{s.rrn};{s.gross};{s.mdr};0;{s.gross - s.mdr};{code};{hold}"
        for s in lines
    ]
    gross = sum(s.gross for s in lines) if settles else 0
    net = sum(s.gross - s.mdr for s in lines) if settles else 0
    last = [f"TOTAL;{count or len(lines)};;;;;;{gross};;;{net};;"] if trailer else []
    head = (
        "Type;Settlement Date;Transaction Date;Transaction Time;Reference No;TXID;RRN;Amount;Fee;"
        "VAT;Settlement Amount;RC;Hold"
    )
    return ("\n".join(["SETTLEMENT REPORT", "Merchant;Contoh", head, *told, *last]) + "\n").encode()


@dataclass(frozen=True)
class File:
    """A file, its mapping, and what must come of it."""

    name: str
    content: bytes
    wanted: int
    mapping: str = "sandbox"


def fee(amount_rp: int) -> int:
    """0.7 %, as the published rule has it for such a merchant."""
    return (amount_rp * 70 + 5000) // 10_000


async def paid_lines(stage: Stage, enough: int) -> list[Line]:
    await stage.kerb(until=lambda: len(stage.asked) >= enough, drivers=4)
    await stage.settle()
    truth = await stage.truth()
    orders = {order["partner_reference_no"]: order for order in truth["orders"]}
    today = await _business_day(stage)
    return [
        Line("", today, reference, orders[reference]["reference_no"], rrn or "", rp, fee(rp))
        for (reference, rrn), rp in sorted(_payments(truth))
    ]


async def _business_day(stage: Stage) -> date:
    rows = await stage.rows("SELECT (now() AT TIME ZONE 'Asia/Jakarta')::date")
    day: date = rows[0][0]
    return day


def settlement_files(lines: Sequence[Line], today: date) -> list[File]:
    """25 of them; the payments `lines` are cut into parts, each settled by one good file."""
    parts = [lines[at::8] for at in range(8)]
    good = [[replace(s, batch=f"BCH-T23-{at}") for s in part] for at, part in enumerate(parts)]
    first = good[0][0]
    strange = replace(first, acquirer_reference="ASING-1", reference="asing", rrn="999999999999")
    half = table(good[1])
    return [
        File("empty", table([])[:0], REFUSED),
        File("only a header", table([]), REFUSED),
        File("cut off in a line", half[: len(half) - 9], REFUSED),
        File("same line twice", table([*good[0], first]), REFUSED),
        File("not in IDR", table([replace(s, currency="USD") for s in good[0]]), REFUSED),
        File("net is not gross less fee", table(good[0]).replace(b",IDR", b"1,IDR"), REFUSED),
        File("a fraction of a rupiah", dana(good[0], "M", 50), REFUSED, "dana-like"),
        File("of another merchant", dana([strange], "LAIN"), REFUSED, "dana-like"),
        File("trailer counts wrongly", nicepay(good[0], count=99), REFUSED, "nicepay-like"),
        File("trailer cut off", nicepay(good[0], trailer=False), REFUSED, "nicepay-like"),
        File("unknown response code", nicepay(good[0], code="77"), REFUSED, "nicepay-like"),
        File("not text", b"\x00\x01" * 50, REFUSED),
        File("another acquirer's columns", dana(good[0], "M"), REFUSED),
        File("batch without a name", table([replace(first, batch="")]), REFUSED),
        File("RC 68", nicepay(good[7], code="68"), TAKEN, "nicepay-like"),
        File("whole", table(good[0]), TAKEN),
        File("the same again", table(good[0]), TAKEN),
        File("sent anew with more", table([*good[0], *good[1]]), TAKEN),
        File("BOM and CRLF", b"\xef\xbb\xbf" + table(good[2], "\r\n"), TAKEN),
        File("shuffled", table(good[3][::-1]), TAKEN),
        File("told otherwise than before", table([replace(first, gross=first.gross + 1)]), REFUSED),
        File("one rupiah off", table([replace(s, gross=s.gross + 1) for s in good[4]]), TAKEN),
        File("fee rounded up", table([replace(s, mdr=s.mdr + 1) for s in good[5]]), TAKEN),
        File("held back", nicepay(good[6], hold="On"), TAKEN, "nicepay-like"),
        File(f"{HELD_LINES:,} lines", nicepay(_many(today), hold="On"), TAKEN, "nicepay-like"),
    ]


def _many(today: date) -> list[Line]:
    return [
        Line("", today, f"banyak-{at}", f"BANYAK-{at}", f"{500_000_000_000 + at}", 2000)
        for at in range(HELD_LINES)
    ]


async def take_in_files(stage: Stage) -> None:
    """T23."""
    lines = await paid_lines(stage, 16)
    today = await _business_day(stage)
    files = settlement_files(lines, today)
    if not stage.is_ours:
        for file in files[:-1]:
            await _naive(stage, file)
        return
    good = [file for file in files if file.wanted == TAKEN]
    await _killed(stage, good[1], "settlement")
    for file in files:
        await _take_in(stage, file, "settlement")
    await _killed_at_any_time(stage, nicepay(_many(today)[: HELD_LINES // 2 + 1], hold="On"))
    parts = [lines[at::8] for at in range(8)]
    off, put_right = parts[4][1:], replace(parts[4][0], batch="BCH-T23-4")
    await _corrected(stage, table([put_right]))
    expected = {("amount-differs", _subject(s)): 1 for s in off}
    expected |= {("mdr-differs", _subject(s)): -1 for s in parts[5]}
    expected |= {("outcome-unknown", _subject(s)): -s.gross for s in parts[7]}
    await stage.office("server", "reconcile", "--date", today.isoformat())
    await _expect_open(stage, expected, "payout-%")
    await _expect_awaited(stage, today, "not-settled", sum(s.gross for s in parts[6]))
    await _compare_when_due(stage, today)
    expected |= {("not-settled", _subject(s)): -s.gross for s in parts[6]}
    await _expect_open(stage, expected, "payout-%")


def _subject(line: Line) -> str:
    return f"{line.acquirer_reference}/{line.rrn}"


async def _take_in(stage: Stage, file: File, kind: str) -> None:
    path = stage.folder / f"berkas-{stage.tally.runs}"
    path.write_bytes(file.content)
    before = await _stored(stage)
    came = await stage.office("server", kind, "import", str(path), "--mapping", file.mapping)
    if came != file.wanted:
        stage.tally.violate("file not taken as it should be", f"{file.name}: exit {came}")
    if file.wanted == REFUSED and await _stored(stage) != before:
        stage.tally.violate("half of a refused file stayed", file.name)
    stage.tally.fired[file.name] += 1
    stage.tally.runs += 1


async def _corrected(stage: Stage, content: bytes) -> None:
    """Told anew: refused, asked for by one officer, and taken in once, when another agrees."""
    path = stage.folder / "berkas-pengganti"
    path.write_bytes(content)
    before = await _stored(stage)

    async def said(wanted: int, *words: str, crash_at: str = "") -> None:
        came = await stage.office("server", "settlement", *words, crash_at=crash_at)
        stage.tally.runs += 1
        if came != wanted:
            stage.tally.violate("correction not met as it should be", f"{words[0]}: exit {came}")

    await said(REFUSED, "import", str(path))
    await said(WAITS, "correct", str(path), "--reason", "surat", "--officer", sample.OFFICER)
    (row,) = await stage.rows("SELECT id::text FROM settlement_corrections")
    decide = ("decide", row[0], "approve", "--why", "sesuai", "--officer")
    await said(REFUSED, *decide, sample.OFFICER)
    await said(-signal.SIGKILL, *decide, sample.CHECKER, crash_at="settlement-not-committed")
    stage.tally.kills += 1
    if await _stored(stage) != before:
        stage.tally.violate("a correction changed the books before two agreed", path.name)
    await said(TAKEN, *decide, sample.CHECKER)
    await said(REFUSED, *decide, sample.CHECKER)
    stage.tally.fired["corrected"] += 1


async def _stored(stage: Stage) -> list[int]:
    rows = [await stage.rows(f"SELECT count(*) FROM {table}") for table in TABLES]
    return [row[0][0] for row in rows]


async def _killed(stage: Stage, file: File, kind: str) -> None:
    """Killed with everything written, just before the commit."""
    path = stage.folder / "mati"
    path.write_bytes(file.content)
    before = await _stored(stage)
    args = ("server", kind, "import", str(path), "--mapping", file.mapping)
    died = await stage.office(*args, crash_at=f"{kind}-not-committed")
    stage.tally.kills += 1
    if died != -signal.SIGKILL:
        stage.tally.violate("harness dead: the import was not killed", died)
    if await _stored(stage) != before:
        stage.tally.violate("half of a file stayed", file.name)


async def _killed_at_any_time(stage: Stage, content: bytes) -> None:
    path = stage.folder / "mati-kapan-saja"
    path.write_bytes(content)
    before = await _stored(stage)
    command = ("server", "settlement", "import", str(path), "--mapping", "nicepay-like")
    process = forks.Fork(command, stage.server.environment, stage.folder / "logs" / "mati.log")
    process.start()
    await asyncio.sleep(stage.rng.uniform(0.2, 3))
    process.kill()
    stage.tally.kills += 1
    after = await _stored(stage)
    # All of its lines are known by then: it leaves its bytes, or nothing.
    if after not in (before, [before[0] + 1, *before[1:]]):
        stage.tally.violate("half of a file stayed", f"{before} {after}")


async def _expect_open(stage: Stage, expected: dict[tuple[str, str], int], but: str = "-") -> None:
    """Every rupiah is matched, or it is one of these differences and no other."""
    rows = await stage.rows(
        "SELECT kind, subject, difference_rp FROM discrepancies"
        " WHERE state = 'open' AND kind NOT LIKE $1",
        but,
    )
    found = {(row[0], row[1]): row[2] for row in rows}
    for key in found.keys() | expected.keys():
        if found.get(key) != expected.get(key):
            told = f"{key}: {found.get(key)}, not {expected.get(key)}"
            stage.tally.violate("a rupiah neither matched nor told", told)


async def _compare_when_due(stage: Stage, *days: date) -> None:
    desk = desk_of(stage)
    try:
        for day in days:
            await desk.compare_when_due(day)
    finally:
        await desk.close()


async def _expect_awaited(stage: Stage, day: date, kind: str, amount_rp: int) -> None:
    """What is no difference yet is counted, and awaited until a day that is not past."""
    (told,) = await stage.rows(
        "SELECT expected FROM reconciliations WHERE business_day = $1 ORDER BY id DESC LIMIT 1", day
    )
    awaited = [each for each in json.loads(told["expected"]) if each["kind"] == kind]
    found_rp = sum(each["amount_rp"] for each in awaited)
    if found_rp != amount_rp:
        stage.tally.violate("a rupiah not due and not told", f"{kind}: {found_rp}, not {amount_rp}")
    for each in awaited:
        if date.fromisoformat(each["until"]) < await _business_day(stage):
            stage.tally.violate("what is due is only awaited", each)


async def _naive(stage: Stage, file: File) -> None:
    """It takes what it can read: a reference, an RRN, an amount."""
    stage.tally.fired[file.name] += 1
    stage.tally.runs += 1
    for row in csv.DictReader(io.StringIO(file.content.decode(errors="replace").replace("\0", ""))):
        if row.get("reference_no") and (row.get("gross") or "").isdigit():
            told = (row["partner_reference_no"], row["rrn"], int(row["gross"]))
            await stage.rows("INSERT INTO posted VALUES ($1, $2, $3)", *told)


# The bank


@dataclass(frozen=True)
class Moved:
    day: date
    amount_rp: int
    narrative: str


def mt940(number: int, moved: Sequence[Moved], *, opening_rp: int = 0, off_rp: int = 0) -> bytes:
    day = moved[0].day
    rows = [f":20:T24{number:04}", ":25:0011223344", f":28C:{number}/1"]
    rows.append(f":60F:C{day:%y%m%d}IDR{opening_rp},00")
    for m in moved:
        side = "C" if m.amount_rp > 0 else "D"
        rows.append(f":61:{m.day:%y%m%d}{m.day:%m%d}{side}{abs(m.amount_rp)},00NTRFNONREF")
        rows.append(f":86:{m.narrative}")
    closing = opening_rp + sum(m.amount_rp for m in moved) + off_rp
    rows.append(f":62F:{'C' if closing >= 0 else 'D'}{day:%y%m%d}IDR{abs(closing)},00")
    return ("\r\n".join(rows) + "\r\n-\r\n").encode()


def statement_files(nets: dict[str, int], today: date) -> list[File]:
    """12 of them; each batch is paid in a way of its own."""
    a, b, c, d, e, f, g, h = (f"BCH-T24-{at}" for at in range(8))
    later = today + timedelta(days=1)

    def of(number: int, *moved: tuple[int, str], day: date = today, off_rp: int = 0) -> bytes:
        told = [Moved(day, rp, narrative) for rp, narrative in moved if rp]
        opening_rp = 0 if day == today else nets[a]  # what `whole` closes with
        return mt940(number, told, opening_rp=opening_rp, off_rp=off_rp)

    whole = of(1, (nets[a], f"PENCAIRAN {a}"))
    return [
        File("whole", whole, TAKEN),
        File("the same again", whole, TAKEN),
        File("merged", of(2, (nets[b] + nets[c], f"PENCAIRAN {b} {c}")), TAKEN),
        File("split", of(3, (nets[d] - 500, f"CAIR {d}"), (500, f"SISA {d}")), TAKEN),
        File("a day late", of(4, (nets[e], f"PENCAIRAN {e}"), day=later), TAKEN),
        File("reversed", of(5, (nets[f], f"CAIR {f}"), (-nets[f], f"BATAL {f}")), TAKEN),
        File("paid again", of(6, (nets[f], f"PENCAIRAN {f}"), day=later), TAKEN),
        File("short by 100", of(7, (nets[g] - 100, f"PENCAIRAN {g}")), TAKEN),
        File("unknown credits", of(8, (12_345, "SETORAN TUNAI"), (77, "BUNGA")), TAKEN),
        File("balances do not follow", of(9, (nets[h], h), off_rp=1), REFUSED),
        File("cut off", whole[: len(whole) // 2], REFUSED),
        File("told otherwise", of(1, (nets[a] + 1, f"PENCAIRAN {a}")), REFUSED),
    ]


async def read_statements(stage: Stage) -> None:
    """T24."""
    lines = await paid_lines(stage, 16)
    today = await _business_day(stage)
    good = [replace(s, batch=f"BCH-T24-{at % 8}") for at, s in enumerate(lines)]
    nets: dict[str, int] = {}
    for line in good:
        nets[line.batch] = nets.get(line.batch, 0) + line.gross - line.mdr
    files = statement_files(nets, today)
    if not stage.is_ours:
        for file in files:
            stage.tally.fired[file.name] += 1
            stage.tally.runs += 1
            # Whatever comes is the takings of the batch it seems to be: nobody compares it.
            told = (file.name, str(stage.tally.runs), 1)
            await stage.rows("INSERT INTO posted VALUES ($1, $2, $3)", *told)
        return
    before, after = files[:4], files[4:]
    await _killed(stage, replace(before[0], mapping="bank"), "statement")
    stage.rng.shuffle(before)
    for file in before:
        await _take_in(stage, replace(file, mapping="bank"), "statement")
    await _take_in(stage, File("settled", table(good), TAKEN), "settlement")
    for file in after:
        await _take_in(stage, replace(file, mapping="bank"), "statement")
    days = (today, today + timedelta(days=1))
    for day in days:
        await stage.office("server", "reconcile", "--date", day.isoformat())
    rows = await stage.rows(
        "SELECT account || '/' || statement_reference || '/' || line_number, amount_rp"
        " FROM statement_lines WHERE narrative LIKE '%SETORAN%' OR narrative LIKE '%BUNGA%'"
    )
    expected: dict[tuple[str, str], int] = {("unknown-movement", row[0]): row[1] for row in rows}
    if len(expected) != 2:
        stage.tally.violate("an unknown credit is not in the books", len(expected))
    expected["payout-differs", "BCH-T24-6"] = -100
    await _expect_open(stage, expected)
    await _expect_awaited(stage, today, "payout-missing", nets["BCH-T24-7"])
    await _compare_when_due(stage, *days)
    expected["payout-missing", "BCH-T24-7"] = -nets["BCH-T24-7"]
    await _expect_open(stage, expected)
