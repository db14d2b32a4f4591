"""What the office writes of money on paper: receipts of deposits (TBP), and its own (STS).

In Bahasa, as the regency's treasury files them.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import qrcode
from num2words import num2words
from reportlab.lib.pagesizes import A4, A5, landscape
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfgen.canvas import Canvas

from domain.money import format_rp
from server.reconciliation.share_slips import Reckoning
from server.typeface import BOLD, NORMAL

MARGIN, STEP = 15 * mm, 6 * mm
CODE = 32 * mm
SMALL, SMALL_STEP = 6.5, 2.6 * mm
LONGEST_TO_SIGN = 40
MONTHS = tuple(
    "Januari Februari Maret April Mei Juni Juli"  # noqa: SIM905
    " Agustus September Oktober November Desember".split()
)


@dataclass(frozen=True)
class Letterhead:
    regency: str
    agency: str


@dataclass(frozen=True)
class Proof:
    """What stands for a paper: whether it is signed and how the audit log was, at its foot.

    `code` is the checkpoint as a QR; empty while there is none.
    """

    lines: Sequence[str]
    code: str = ""


@dataclass(frozen=True)
class ReceiptOfDeposit:
    """A TBP: the office has received a deposit of cash."""

    number: str
    payer: str
    amount_rp: int
    slip: str
    deposited_on: date
    posted_on: date
    received_by: str


@dataclass(frozen=True)
class DepositSlip:
    """An STS: the office hands in to the regency's account what came on some days."""

    number: str
    on: date
    rkud: str
    sources: Sequence[tuple[str, str, int]]
    """By code of account and in words where the amount came from; sums to it."""
    days: Sequence[tuple[date, int]]
    amount_rp: int
    made_by: str
    approved_by: str
    """Empty while nobody has."""


@dataclass(frozen=True)
class ShareSlip:
    """A payee was paid a share."""

    number: str
    payee: str
    amount_rp: int
    until: date
    reckoned: Reckoning
    account: str
    evidence: str
    paid_on: date


def in_words(amount_rp: int) -> str:
    """Whole rupiah in Bahasa: ``tujuh belas ribu rupiah``."""
    return f"{num2words(amount_rp, lang='id')} rupiah"


def written(day: date) -> str:
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def receipt_of_deposit(head: Letterhead, told: ReceiptOfDeposit, proof: Proof) -> bytes:
    """A TBP on half a page."""

    def draw(page: "_Page") -> None:
        page.head(head, "TANDA BUKTI PEMBAYARAN (TBP)", told.number)
        page.fact("Telah terima dari", told.payer)
        page.fact("Uang sebesar", format_rp(told.amount_rp))
        page.fact("Terbilang", in_words(told.amount_rp))
        page.fact("Untuk", "Setoran retribusi pelayanan parkir di tepi jalan umum")
        page.fact("Slip bank", told.slip)
        page.fact("Tanggal setor", written(told.deposited_on))
        if told.posted_on != told.deposited_on:
            page.fact("Hari pembukuan", written(told.posted_on))
        page.signatures(("Yang menyetor", told.payer), ("Bendahara Penerimaan", told.received_by))

    return _drawn(landscape(A5), told.number, proof, draw)


def deposit_slip(head: Letterhead, told: DepositSlip, proof: Proof) -> bytes:
    """An STS on a page, and on further ones where its days need them."""

    def draw(page: "_Page") -> None:
        page.head(head, "SURAT TANDA SETORAN (STS)", told.number)
        page.fact("Tanggal", written(told.on))
        page.fact("Ke rekening kas daerah", told.rkud or "." * 50)
        page.fact("Uang sebesar", format_rp(told.amount_rp))
        page.fact("Terbilang", in_words(told.amount_rp))
        page.skip(0.5)
        page.row(("Kode rekening", "Uraian", "Jumlah"), bold=True)
        for code, words, amount_rp in told.sources:
            page.row((code, words, format_rp(amount_rp)))
        page.row(("Jumlah", "", format_rp(told.amount_rp)), bold=True)
        page.skip()
        page.row(("Penerimaan hari", "", "Jumlah"), bold=True)
        for day, amount_rp in told.days:
            page.row((written(day), "", format_rp(amount_rp)))
        page.row(("Jumlah", "", format_rp(told.amount_rp)), bold=True)
        page.signatures(
            ("Mengetahui, Verifikator", told.approved_by),
            ("Bendahara Penerimaan", told.made_by),
        )
        if not told.approved_by:
            page.line("BELUM DISETUJUI: bukan bukti setoran.", bold=True)

    return _drawn(A4, told.number, proof, draw)


def share_slip(head: Letterhead, told: ShareSlip, proof: Proof) -> bytes:
    """What a payee was paid, and for what."""
    for_ = told.reckoned

    def draw(page: "_Page") -> None:
        page.head(head, "SLIP PEMBAYARAN BAGI HASIL", told.number)
        page.fact("Dibayarkan kepada", told.payee)
        page.fact("Uang sebesar", format_rp(told.amount_rp))
        page.fact("Terbilang", in_words(told.amount_rp))
        page.fact("Bagi hasil sampai", written(told.until))
        if for_.first is not None and for_.last is not None:
            span = f"{written(for_.first)} sampai {written(for_.last)}"
            page.fact("Dari penerimaan", f"{span}, {for_.days} hari")
            page.fact("Penerimaan bruto", format_rp(for_.gross_rp))
            page.fact("Bagian", f"{parts(for_.parts_bp)} = {format_rp(for_.share_rp)}")
        if for_.taken_back_rp:
            page.fact("Dikurangi pengembalian", format_rp(-for_.taken_back_rp))
        if for_.rest_rp:
            page.fact("Sisa masa sebelumnya", format_rp(for_.rest_rp))
        page.fact("Ke rekening", told.account)
        page.fact("Referensi bank", told.evidence)
        page.fact("Tanggal bayar", written(told.paid_on))
        # A long name would run into the other one's; a pool has nobody's name to sign by.
        signs = told.payee if len(told.payee) <= LONGEST_TO_SIGN else ""
        page.signatures(("Penerima", signs), ("Bendahara Penerimaan", ""))

    return _drawn(A4, told.number, proof, draw)


def parts(parts_bp: Sequence[int]) -> str:
    """Parts in basis points as people write them: ``35 %``, or from the least to the most."""
    ends = dict.fromkeys([*parts_bp[:1], *parts_bp[-1:]])
    told = (f"{bp // 100},{bp % 100:02}".removesuffix(",00") for bp in ends)
    return f"{'–'.join(told) or '-'} %"


def _drawn(
    size: tuple[float, float], title: str, proof: Proof, draw: Callable[["_Page"], None]
) -> bytes:
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=size, invariant=True)
    canvas.setTitle(title)
    page = _Page(canvas, size, proof)
    draw(page)
    page.end()
    canvas.save()
    return out.getvalue()


class _Page:
    """A page that is written from the top; what does not fit goes on a new one."""

    def __init__(self, canvas: Canvas, size: tuple[float, float], proof: Proof) -> None:
        self._canvas = canvas
        self._width, self._height = size
        self._y = self._height - MARGIN
        self._proof = proof

    def head(self, head: Letterhead, title: str, number: str) -> None:
        """With the QR of what proves it in the corner."""
        right = self._width - MARGIN
        if self._proof.code:
            right -= CODE
            self._code(right, self._height - MARGIN / 2 - CODE)
        self.line(head.regency, bold=True)
        self.line(head.agency)
        self.skip()
        self._canvas.line(MARGIN, self._y + STEP, right, self._y + STEP)
        self._text(self._width / 2, title, 13, bold=True, anchor="middle")
        self.skip()
        self._text(self._width / 2, f"Nomor: {number}", 11, anchor="middle")
        self.skip(1.5)

    def _code(self, x: float, y: float) -> None:
        code = qrcode.QRCode(error_correction=qrcode.ERROR_CORRECT_M, border=4, box_size=4)
        code.add_data(self._proof.code)
        code.make()
        picture = io.BytesIO()
        code.make_image().save(picture, "PNG")
        picture.seek(0)
        self._canvas.drawImage(ImageReader(picture), x, y, CODE, CODE)

    def end(self) -> None:
        """What proves it, below what is written."""
        y = MARGIN - SMALL_STEP
        for line in self._proof.lines:
            for part in self._fitting(line, self._width - 2 * MARGIN, SMALL):
                self._canvas.setFont(NORMAL, SMALL)
                self._canvas.drawString(MARGIN, y, part)
                y -= SMALL_STEP

    def fact(self, name: str, value: str) -> None:
        left = MARGIN + 52 * mm
        self._text(MARGIN, name)
        self._text(left - 3 * mm, ":")
        for part in self._fitting(value, self._width - MARGIN - left):
            self._text(left, part)
            self.skip()

    def row(self, cells: tuple[str, str, str], *, bold: bool = False) -> None:
        middle = MARGIN + 45 * mm
        self._text(MARGIN, cells[0], bold=bold)
        self._text(self._width - MARGIN, cells[2], bold=bold, anchor="end")
        for part in self._fitting(cells[1], self._width - MARGIN - 35 * mm - middle):
            self._text(middle, part, bold=bold)
            self.skip()

    def signatures(self, *people: tuple[str, str]) -> None:
        """Room to sign, with the name under it."""
        if self._y < MARGIN + 7 * STEP:
            self._turn()
        self.skip()
        places = [self._width * (n + 0.5) / len(people) for n in range(len(people))]
        for x, (role, _) in zip(places, people, strict=True):
            self._text(x, f"{role},", anchor="middle")
        self.skip(4)
        for x, (_, name) in zip(places, people, strict=True):
            self._text(x, f"( {name or '.' * 30} )", anchor="middle")
        self.skip(1.5)

    def line(self, text: str, *, bold: bool = False) -> None:
        self._text(MARGIN, text, bold=bold)
        self.skip()

    def skip(self, lines: float = 1) -> None:
        self._y -= lines * STEP
        if self._y < MARGIN:
            self._turn()

    def _turn(self) -> None:
        self.end()
        self._canvas.showPage()
        self._y = self._height - MARGIN

    def _text(
        self, x: float, text: str, size: float = 10, *, bold: bool = False, anchor: str = "start"
    ) -> None:
        self._canvas.setFont(BOLD if bold else NORMAL, size)
        draw = {
            "start": self._canvas.drawString,
            "middle": self._canvas.drawCentredString,
            "end": self._canvas.drawRightString,
        }[anchor]
        draw(x, self._y, text)

    def _fitting(self, text: str, width: float, size: float = 10) -> list[str]:
        """The text in lines that fit; a word longer than one is cut."""
        lines = [""]
        for word in text.split():
            longer = f"{lines[-1]} {word}".strip()
            if pdfmetrics.stringWidth(longer, NORMAL, size) <= width:
                lines[-1] = longer
            else:
                lines.append(word)
        return [line for line in lines if line] or [""]
