"""Every slip that a handheld prints, as a document for any printer.

A slip's number stands early and again as text under its QR code, so that a torn or faded slip can
still be told; one without its AKHIR line is visibly half. A code to pay with and a code to check
with carry different titles, and only what is paid is called a receipt.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from domain import check_digit
from domain.money import format_rp
from domain.notice import Finding
from domain.receipt import ReceiptFacts, RefundFacts
from domain.tariff import ClassRate, FlatRate, VehicleClass
from printer.document import Columns, Cut, Document, Feed, Item, Qr, Rule, Text

# Indonesia's three official times; nobody at the kerb writes UTC+07:00.
_ZONE_NAMES = {7: "WIB", 8: "WITA", 9: "WIT"}
_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: no I, L, O or U to misread
# A longer number leaves no room for the dashes of its AKHIR line on 32 columns.
_LONGEST_FRAMED = 20
_BLANK = "________________"


@dataclass(frozen=True, slots=True)
class Printing:
    """One printing of a slip: by which clock, in which language, and which copy.

    Copy 0 is the original; copy n says so at top and bottom, with the time of the reprint.
    """

    zone: ZoneInfo
    language: str = "id"
    copy: int = 0
    reprinted_at: datetime | None = None

    def __post_init__(self) -> None:
        if self.copy and self.reprinted_at is None:
            raise ValueError("a copy says when it was printed")

    def say(self, bahasa: str, english: str) -> str:
        return english if self.language == "en" else bahasa

    def moment(self, at: datetime) -> str:
        """As written here: `21/11/2026 14:05 WIB`."""
        local = at.astimezone(self.zone)
        offset = local.utcoffset() or timedelta()
        hours = offset // timedelta(hours=1)
        name = _ZONE_NAMES.get(hours, f"UTC{hours:+d}")
        return f"{local:%d/%m/%Y} {local:%H:%M} {name}"


@dataclass(frozen=True, slots=True)
class Office:
    """Whose slips these are; `porporasi` is the line of the seal that makes a karcis valid."""

    regency: str
    agency: str
    complaint: str
    porporasi: str = ""


@dataclass(frozen=True, slots=True)
class Vehicle:
    """What stands where, and who of the office saw it; `plate` is masked."""

    vehicle_class: VehicleClass
    spot_code: str
    place: str
    zone: str
    plate: str = ""
    attendant: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A stay that was started and is paid when it ends; `rate` is None where nobody here knows."""

    number: str
    vehicle: Vehicle
    started_at: datetime
    regulation: str
    rate: ClassRate | None


@dataclass(frozen=True, slots=True)
class PaymentCode:
    """A dynamic QRIS on paper; `merchant` is the name that the driver's wallet will show."""

    number: str
    vehicle: Vehicle
    amount_rp: int
    qris: str
    merchant: str
    match_code: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class ClosedShift:
    """A shift as it was counted; `owed_rp` and `share_rp` are the office's word, where it is known.

    `expected_rp` is the cash by the books; counts are of vehicles.
    """

    number: str
    attendant: str
    opened_at: datetime
    closed_at: datetime
    qris_count: int
    qris_rp: int
    cash_count: int
    cash_rp: int
    counted_rp: int
    expected_rp: int
    owed_rp: int | None = None
    share_rp: int | None = None


@dataclass(frozen=True, slots=True)
class Deposit:
    """Cash on its way to the bank; `reference` is the number of the bank's slip, once there is."""

    number: str
    attendant: str
    shift_number: str
    amount_rp: int
    owed_rp: int | None
    at: datetime
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Void:
    """A stay that was taken back, with nothing paid for it."""

    number: str
    entry_number: str
    vehicle: Vehicle
    started_at: datetime
    voided_at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class RefundWish:
    """That a driver wants money back; officers decide."""

    number: str
    receipt_number: str
    vehicle: Vehicle
    paid_rp: int
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Notice:
    """What an inspector found at a vehicle, and what its driver can do; no fine.

    `amount_rp` is what the tariff asks, None where nobody here knows. `check_url` is signed.
    """

    number: str
    vehicle: Vehicle
    issued_at: datetime
    finding: Finding
    expired_at: datetime | None
    amount_rp: int | None
    photos: int
    object_until: date
    regulation: str
    pay_url: str
    check_url: str


@dataclass(frozen=True, slots=True)
class PaidShare:
    """A share that the office paid out, and what it was for; `part` is in per cent."""

    number: str
    attendant: str
    span: tuple[date, date] | None
    days: int
    gross_rp: int
    part: str
    share_rp: int
    taken_back_rp: int
    rest_rp: int
    amount_rp: int
    account: str
    reference: str
    paid_on: date


def slip_number(prefix: str, record_id: str) -> str:
    """The number of a slip that the books give none: `MASUK-7K3Q-M2XW-5`.

    Of the last 40 bits of the record's id, which are random, and a check character: the same
    record has the same number on every copy. Raises ValueError for what is no id.
    """
    low = UUID(record_id).int
    digits = "".join(_DIGITS[low >> shift & 31] for shift in range(35, -1, -5))
    return check_digit.append(f"{prefix}-{digits[:4]}-{digits[4:]}")


# The slips


def receipt(facts: ReceiptFacts, how: Printing) -> Document:
    """What a driver gets who paid."""
    say = how.say
    office = Office(facts.regency, facts.agency, facts.complaint, facts.porporasi)
    vehicle = Vehicle(
        facts.vehicle_class,
        facts.spot_code,
        facts.place,
        facts.zone,
        facts.plate or "",
        " ".join(filter(None, (facts.attendant_code, facts.attendant_name))),
    )
    lines = (
        Columns(
            _counted(say(line.label_id, line.label_en), line.quantity, line.unit_rp),
            format_rp(line.amount_rp),
        )
        for line in facts.lines
    )
    method = say("Tunai", "Cash") if facts.method == "Tunai" else facts.method
    return _slip(
        office,
        how,
        facts.number,
        say("KARCIS PARKIR", "PARKING RECEIPT"),
        *_rows(("No", facts.number)),
        *_of_vehicle(vehicle, how),
        *_rows(
            (say("Mulai", "From"), how.moment(facts.started_at)),
            (say("Dibayar", "Paid"), how.moment(facts.paid_at)),
        ),
        Rule(),
        *lines,
        _total("TOTAL", facts.amount_rp),
        Columns(method, say("LUNAS", "PAID"), bold=True),
        *_rows(("RRN", facts.rrn or "")),
        Rule(),
        *_code(say("CEK KEASLIAN KARCIS", "CHECK THIS RECEIPT"), facts.verify_url, facts.number),
        *_small(
            say(
                "Simpan sebagai bukti pembayaran. Berlaku 1x parkir.",
                "Keep as proof of payment. Valid for one stay.",
            ),
            say(
                "Kertas memudar; simpan foto atau tautannya.",
                "Paper fades; keep a photo or the link.",
            ),
        ),
        regulation=facts.regulation,
    )


def entry(facts: Entry, office: Office, how: Printing) -> Document:
    """What a driver gets on arrival; its code finds the stay again when the vehicle leaves."""
    say = how.say
    return _slip(
        office,
        how,
        facts.number,
        say("KARCIS MASUK", "PARKING TICKET"),
        *_rows(("No", facts.number)),
        *_of_vehicle(facts.vehicle, how),
        *_rows((say("Masuk", "Arrived"), how.moment(facts.started_at))),
        Rule(),
        *_prices(facts.rate, how),
        Columns(
            say("Dibayar saat keluar", "Pay when you leave"),
            say("BELUM BAYAR", "NOT PAID"),
            bold=True,
        ),
        Rule(),
        *_code(say("TUNJUKKAN SAAT KELUAR", "SHOW THIS WHEN LEAVING"), facts.number, facts.number),
        *_small(say("Bukan bukti pembayaran.", "Not a proof of payment.")),
        regulation=facts.regulation,
    )


def payment(facts: PaymentCode, office: Office, how: Printing) -> Document:
    """A code to pay with, until it expires; titled so that nobody takes it for a receipt."""
    say = how.say
    return _slip(
        office,
        how,
        facts.number,
        say("KODE BAYAR", "PAYMENT CODE"),
        Text(say("BUKAN BUKTI PEMBAYARAN", "NOT A RECEIPT"), align="center", bold=True),
        Rule(),
        *_rows(("No", facts.number)),
        *_of_vehicle(facts.vehicle, how),
        Rule(),
        _total(say("BAYAR", "TO PAY"), facts.amount_rp),
        Columns(
            say("Berlaku sampai", "Valid until"), _together(how.moment(facts.expires_at)), bold=True
        ),
        Rule(),
        *_code(say("QRIS: PINDAI UNTUK MEMBAYAR", "QRIS: SCAN TO PAY"), facts.qris, facts.number),
        *_names((say("Penerima", "Payee"), facts.merchant)),
        *_rows((say("Kode cocok", "Match code"), facts.match_code)),
        *_small(
            say(
                "Lewat waktu itu kode hangus: jangan dibayar. Karcis diberikan setelah lunas.",
                "After that time it is void: do not pay it. A receipt follows the payment.",
            )
        ),
    )


def shift(facts: ClosedShift, office: Office, how: Printing) -> Document:
    """What an attendant counted against the books, and owes."""
    say = how.say
    difference_rp = facts.counted_rp - facts.expected_rp
    verdict = (
        say("COCOK", "AGREES")
        if difference_rp == 0
        else say("LEBIH", "TOO MUCH")
        if difference_rp > 0
        else say("KURANG", "TOO LITTLE")
    )
    owed = (
        (say("Wajib setor", "Owed"), _rp(facts.owed_rp)),
        (say("Bagian hari ini", "Share today"), _rp(facts.share_rp)),
    )
    return _slip(
        office,
        how,
        facts.number,
        say("TUTUP TUGAS", "SHIFT CLOSED"),
        *_rows(
            ("No", facts.number),
            (say("Mulai", "From"), how.moment(facts.opened_at)),
            (say("Selesai", "Until"), how.moment(facts.closed_at)),
        ),
        *_names((say("Petugas", "Attendant"), facts.attendant)),
        Rule(),
        *_rows(
            (f"QRIS x {facts.qris_count}", format_rp(facts.qris_rp)),
            (f"{say('Tunai', 'Cash')} x {facts.cash_count}", format_rp(facts.cash_rp)),
        ),
        Rule(),
        *_rows(
            (say("Tunai menurut buku", "Cash by the books"), format_rp(facts.expected_rp)),
            (say("Tunai dihitung", "Cash counted"), format_rp(facts.counted_rp)),
        ),
        Columns(verdict, format_rp(abs(difference_rp)), bold=True, height=2),
        Rule(),
        *_rows(*owed),
        *_signed_by(say("Petugas", "Attendant"), say("Kantor", "Office")),
        *_small(say("Menurut buku kantor saat dicetak.", "By the office's books when printed.")),
    )


def deposit(facts: Deposit, office: Office, how: Printing) -> Document:
    """What goes to the bank with the cash; blanks where the bank's number is not known yet."""
    say = how.say
    return _slip(
        office,
        how,
        facts.number,
        say("SETORAN KAS", "CASH DEPOSIT"),
        *_rows(
            ("No", facts.number),
            (say("Tugas", "Shift"), facts.shift_number),
            (say("Waktu", "Time"), how.moment(facts.at)),
        ),
        *_names((say("Petugas", "Attendant"), facts.attendant)),
        Rule(),
        _total(say("SETOR", "DEPOSIT"), facts.amount_rp),
        *_rows(
            (say("Wajib setor", "Owed"), _rp(facts.owed_rp)),
            (say("Slip bank", "Bank slip"), facts.reference or _BLANK),
        ),
        *_signed_by(say("Penyetor", "Paid in by"), say("Penerima", "Received by")),
        *_small(
            say(
                "Utang lunas setelah slip bank dicatat kantor.",
                "The debt ends once the office has recorded the bank's slip.",
            )
        ),
    )


def paid_share(facts: PaidShare, office: Office, how: Printing) -> Document:
    """What an attendant was paid; the transfer itself is the bank's to prove."""
    say = how.say
    taken_back = format_rp(-facts.taken_back_rp) if facts.taken_back_rp else ""
    span = facts.span
    period = (
        (
            (say("Dari", "From"), f"{span[0]:%d/%m/%Y}"),
            (say("Sampai", "Until"), f"{span[1]:%d/%m/%Y}"),
            (say("Hari bekerja", "Days worked"), str(facts.days)),
        )
        if span
        else ()
    )
    return _slip(
        office,
        how,
        facts.number,
        say("SLIP BAGI HASIL", "SLIP OF A SHARE"),
        *_rows(("No", facts.number), (say("Tanggal", "On"), f"{facts.paid_on:%d/%m/%Y}")),
        *_names((say("Petugas", "Attendant"), facts.attendant)),
        Rule(),
        *_rows(
            *period,
            (say("Penerimaan bruto", "Gross takings"), format_rp(facts.gross_rp)),
            (f"{say('Bagian', 'Part')} {facts.part}%", format_rp(facts.share_rp)),
            (say("Pengembalian", "Refunds"), taken_back),
            (say("Sisa masa lalu", "Left of before"), _rp(facts.rest_rp or None)),
        ),
        _total(say("DITERIMA", "RECEIVED"), facts.amount_rp),
        *_names(
            (say("Rekening", "Account"), facts.account),
            (say("Ref. bank", "Bank ref."), facts.reference),
        ),
        *_small(say("Menurut buku kantor.", "By the office's books.")),
    )


def void(facts: Void, office: Office, how: Printing) -> Document:
    """That an entry karcis counts no more, and nothing was paid."""
    say = how.say
    return _slip(
        office,
        how,
        facts.number,
        say("BATAL", "VOID"),
        *_rows(
            ("No", facts.number),
            (say("Karcis", "Ticket"), facts.entry_number),
        ),
        *_of_vehicle(facts.vehicle, how),
        *_rows(
            (say("Masuk", "Arrived"), how.moment(facts.started_at)),
            (say("Dibatalkan", "Voided"), how.moment(facts.voided_at)),
        ),
        *_names((say("Sebab", "Reason"), facts.reason)),
        Rule(),
        *_small(say("Tidak ada yang dibayar atau ditagih.", "Nothing was paid, nothing is owed.")),
    )


def refund_wish(facts: RefundWish, office: Office, how: Printing) -> Document:
    """That a driver asked for money back: a number to ask with, and no promise."""
    say = how.say
    return _slip(
        office,
        how,
        facts.number,
        say("MINTA UANG KEMBALI", "REFUND ASKED"),
        *_rows(
            ("No", facts.number),
            (say("Karcis", "Receipt"), facts.receipt_number),
        ),
        *_of_vehicle(facts.vehicle, how),
        *_rows(
            (say("Waktu", "Time"), how.moment(facts.at)),
            (say("Dibayar", "Paid"), format_rp(facts.paid_rp)),
        ),
        *_names((say("Sebab", "Reason"), facts.reason)),
        Rule(),
        *_small(
            say(
                "Belum dikembalikan: kantor memeriksa dan memutuskan.",
                "Not given back yet: the office looks into it and decides.",
            )
        ),
    )


def refund(facts: RefundFacts, how: Printing) -> Document:
    """That money went back."""
    say = how.say
    return _slip(
        Office(facts.regency, facts.agency, facts.complaint),
        how,
        facts.number,
        say("UANG KEMBALI", "REFUND"),
        *_rows(
            ("No", facts.number),
            (say("Karcis", "Receipt"), facts.original_number),
            (say("Waktu", "Time"), how.moment(facts.refunded_at)),
            (say("Titik", "Spot"), facts.spot_code),
        ),
        *_names((say("Zona", "Zone"), facts.zone), (say("Sebab", "Reason"), facts.reason)),
        Rule(),
        *_rows((say("Dibayar", "Paid"), format_rp(facts.paid_rp))),
        _total(say("KEMBALI", "REFUNDED"), facts.amount_rp),
        *_names((say("Melalui", "By"), facts.method)),
        Rule(),
        *_code(say("CEK KEASLIAN SLIP", "CHECK THIS SLIP"), facts.verify_url, facts.number),
    )


def notice(facts: Notice, office: Office, how: Printing) -> Document:
    """Left at a vehicle without a valid payment: what was found, what is owed, where to object."""
    say = how.say
    return _slip(
        replace(office, porporasi=""),  # the seal is a karcis's
        how,
        facts.number,
        say("PEMBERITAHUAN", "NOTICE"),
        Text(say("BUKAN DENDA", "NOT A FINE"), align="center", bold=True),
        Rule(),
        *_rows(("No", facts.number), (say("Waktu", "Time"), how.moment(facts.issued_at))),
        *_of_vehicle(facts.vehicle, how),
        Rule(),
        Text(_found(facts, how), align="center", bold=True),
        *((_total(say("TARIF", "TARIFF"), facts.amount_rp),) if facts.amount_rp else ()),
        *_rows((say("Foto bukti", "Photos taken"), str(facts.photos))),
        Rule(),
        *_code(say("BAYAR DI SINI", "PAY HERE"), facts.pay_url, facts.vehicle.spot_code),
        Rule(),
        *_code(say("CEK KEASLIAN DAN KEBERATAN", "CHECK OR OBJECT"), facts.check_url, facts.number),
        *_rows((say("Keberatan sampai", "Object until"), f"{facts.object_until:%d/%m/%Y}")),
        *_small(
            say(
                "Yang dibayar hanya tarif parkir. Jangan beri uang kepada petugas tanpa karcis.",
                "Only the parking tariff is owed. Give no money to anybody without a receipt.",
            )
        ),
        regulation=facts.regulation,
    )


def _found(facts: Notice, how: Printing) -> str:
    say = how.say
    match facts.finding:
        case Finding.EXPIRED if facts.expired_at:
            over = _together(how.moment(facts.expired_at))
            return f"{say('Waktu parkir habis sejak', 'Time was over at')} {over}"
        case Finding.EXPIRED:
            return say("Waktu parkir sudah habis", "The time paid for is over")
        case Finding.FORGED:
            return say("Karcis atau bukti bayar palsu", "A false receipt or proof of payment")
        case Finding.VOID:
            return say("Uang parkirnya sudah dikembalikan", "The money of this stay went back")
        case Finding.NONE:
            return say("Belum ada pembayaran yang tercatat", "No payment is on record")


# What they are made of


def _slip(
    office: Office, how: Printing, number: str, title: str, *items: Item, regulation: str = ""
) -> Document:
    """Marked as a copy at both ends where it is one, and ended by its AKHIR line.

    The seal's line belongs to what a regulation prices, so it stands under the regulation.
    """
    mark = _copy_mark(how)
    end = f"AKHIR {number}"
    if len(number) <= _LONGEST_FRAMED:
        end = f"-- {end} --"
    return Document(
        (
            *mark,
            Text(office.agency, align="center", bold=True),
            Text(office.regency, align="center", bold=True),
            Text(title, align="center", bold=True, width=2, height=2),
            *(_small(regulation, office.porporasi) if regulation else ()),
            Rule("="),
            *items,
            *_small(office.complaint),
            Feed(1),
            *mark,
            Text(_together(end), align="center"),
            Cut(),
        )
    )


def _copy_mark(how: Printing) -> tuple[Item, ...]:
    if how.reprinted_at is None or how.copy == 0:
        return ()
    return (
        Text(f"*** SALINAN KE-{how.copy} ***", align="center", bold=True),
        *_small(how.say("Dicetak ulang", "Copy, printed again"), how.moment(how.reprinted_at)),
    )


def _of_vehicle(vehicle: Vehicle, how: Printing) -> tuple[Item, ...]:
    label = vehicle.vehicle_class.label(how.language)
    return (
        *_rows(
            (how.say("Nopol", "Plate"), vehicle.plate),
            (how.say("Jenis", "Vehicle"), f"{label} ({vehicle.vehicle_class.code})"),
            (how.say("Titik", "Spot"), vehicle.spot_code),
        ),
        *_names(
            (how.say("Lokasi", "Place"), vehicle.place),
            (how.say("Zona", "Zone"), vehicle.zone),
            (how.say("Petugas", "Attendant"), vehicle.attendant),
        ),
    )


def _prices(rate: ClassRate | None, how: Printing) -> tuple[Item, ...]:
    """What the regulation asks; prices of certain hours are left to the sign at the spot."""
    say = how.say
    if rate is None:
        return ()
    if isinstance(rate, FlatRate):
        rows = [(say("Sekali parkir", "One stay"), format_rp(rate.amount_rp))]
    else:
        rows = [
            (say("Jam pertama", "First hour"), format_rp(rate.first_hour_rp)),
            (say("Jam berikutnya", "Each further hour"), format_rp(rate.next_hour_rp)),
            (say("Paling banyak sehari", "At most a day"), _rp(rate.daily_cap_rp)),
            (say("Gratis", "Free"), _minutes(rate.free_minutes, how)),
        ]
    other = say("Jam tertentu: lihat rambu.", "Certain hours: see the sign.")
    if any(band.holidays for band in rate.bands):
        other = say(
            "Jam tertentu, hari libur: lihat rambu.", "Certain hours, holidays: see the sign."
        )
    return (*_rows(*rows), *(_small(other) if rate.bands else ()))


def _minutes(minutes: int, how: Printing) -> str:
    return f"{minutes} {how.say('menit', 'minutes')}" if minutes else ""


def _rows(*rows: tuple[str, str]) -> tuple[Item, ...]:
    """Labels with numbers, plates, times or amounts, which are read in one piece."""
    return _names(*((label, _together(value)) for label, value in rows))


def _names(*rows: tuple[str, str]) -> tuple[Item, ...]:
    """Labels with names, which may wrap; what is not known leaves no empty row."""
    return tuple(Columns(label, value) for label, value in rows if value)


def _total(label: str, amount_rp: int) -> Item:
    return Columns(label, format_rp(amount_rp), bold=True, height=2)


def _code(title: str, data: str, number: str) -> tuple[Item, ...]:
    """What the code is for stands above it; the number below is for where it no longer reads."""
    return (
        Text(title, align="center", bold=True),
        Qr(data),
        Text(_together(number), align="center", bold=True),
    )


def _signed_by(left: str, right: str) -> tuple[Item, ...]:
    return (Feed(1), Columns(left, right), Feed(2), Columns(_BLANK[:14], _BLANK[:14]), Feed(1))


def _small(*lines: str) -> tuple[Item, ...]:
    return tuple(Text(line, align="center") for line in lines if line)


def _rp(amount_rp: int | None) -> str:
    return "" if amount_rp is None else format_rp(amount_rp)


def _counted(label: str, quantity: int, unit_rp: int) -> str:
    return label if quantity == 1 else f"{label} {quantity} x {format_rp(unit_rp)}"


def _together(text: str) -> str:
    return text.replace(" ", "\u00a0")
