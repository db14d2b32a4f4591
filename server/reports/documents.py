"""A report as PDF, A4: what it says, who made it when, and what the audit log was then.

The newest checkpoint stands on it as a QR, so that a paper in an archive is an outside copy of the
log's root. Made by reportlab from the same table that the page shows.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any

import qrcode
from reportlab.lib.colors import HexColor
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4, landscape
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    Image,
    KeepTogether,
    LongTable,
    Paragraph,
    SimpleDocTemplate,
    Spacer,
    TableStyle,
)
from reportlab.platypus import Table as Grid

from server.audit.models import AuditCheckpoint
from server.moments import day_text
from server.payments.books import Books
from server.reconciliation.papers import Proof
from server.reports.table import (
    FILTERS,
    Column,
    Kind,
    Said,
    Section,
    Table,
    Value,
    shown,
    span,
)
from server.typeface import BOLD, NORMAL

INK, GREY, HEAD, RULE = (HexColor(c) for c in ("#1a1a1a", "#555555", "#e6f0f7", "#b8c4cc"))
MARGIN, FOOT = 15 * mm, 18 * mm
WIDE = 6
"""With more columns than that a page lies on its side."""
CODE = 42 * mm
SIZES = (7.5, 6.5, 5.5)
"""Of type in the table: the first at which there is room for everything."""
PADDING, TEXT_ROOM = 4, 12 * mm


@dataclass(frozen=True)
class Imprint:
    """By whom and when (in the regency's time) a file is made, and who signs it, if anybody.

    `stamped` where its time is stamped by others, or should have been; None where nobody asked.
    """

    who: str
    made: datetime
    signer: str | None
    checkpoint: AuditCheckpoint | None
    stamped: bool | None = None


def _style(name: str, size: float, font: str = NORMAL, **more: Any) -> ParagraphStyle:
    return ParagraphStyle(
        name, fontName=font, fontSize=size, leading=size * 1.3, textColor=INK, **more
    )


TITLE, TEXT = _style("title", 15, BOLD), _style("text", 8.5)
SMALL = _style("small", 7.5)
HEADING = _style("heading", 9.5, BOLD, spaceBefore=4 * mm, spaceAfter=1.5 * mm, keepWithNext=1)


@dataclass(frozen=True)
class Paper:
    """Several lists under one title; `facts` are told before them, each with its name."""

    title: Said
    facts: Sequence[tuple[Said, str]]
    sections: Sequence[Section]


def as_pdf(table: Table, language: str, imprint: Imprint) -> bytes:
    """Not signed yet, but saying whether it will be."""
    size = landscape(A4) if len(table.columns) > WIDE else A4
    title = table.report.title.in_(language)
    story = [
        *_head(table, language),
        _grid(table, language, size[0] - 2 * MARGIN - 12),
        *_notes(table, language),
    ]
    named = f"{title}, {span(table.asked.period, language)}"
    return _written(story, size, (title, named), table.asked.books, language, imprint)


def paper_pdf(paper: Paper, books: Books, language: str, imprint: Imprint) -> bytes:
    """As `as_pdf`, of a paper with several lists."""
    room = A4[0] - 2 * MARGIN - 12
    title = paper.title.in_(language)
    facts = (f"{name.in_(language)}: <b>{escape(value)}</b>" for name, value in paper.facts)
    story = [
        Paragraph(escape(f"{books.agency} {books.regency}"), TEXT),
        Paragraph(escape(title), TITLE),
        Spacer(0, 1.5 * mm),
        *(Paragraph(fact, TEXT) for fact in facts),
    ]
    for section in paper.sections:
        story.append(Paragraph(escape(section.title.in_(language)), HEADING))
        story.append(_grid(section, language, room))
    return _written(story, A4, (title, title), books, language, imprint)


def _written(
    story: list[Any],
    size: tuple[float, float],
    titles: tuple[str, str],
    books: Books,
    language: str,
    imprint: Imprint,
) -> bytes:
    """With what proves it below; `titles` stand at the foot of each page and in the file."""
    out = io.BytesIO()
    document = SimpleDocTemplate(
        out,
        pagesize=size,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN,
        bottomMargin=FOOT,
        title=titles[1],
        author=f"{books.agency} {books.regency}",
        creator="Karcis",
        lang="en" if language == "en" else "id",
    )
    foot = _foot(titles[0], language, imprint)

    def canvas(*args: Any, **named: Any) -> "_Numbered":
        return _Numbered(*args, foot=foot, language=language, **named)

    document.build([*story, *_proof(imprint, language)], canvasmaker=canvas)
    return out.getvalue()


def _foot(title: str, language: str, imprint: Imprint) -> str:
    made = f"{day_text(imprint.made, language)} {imprint.made:%H.%M}"
    by = Said(f"Dibuat {made} oleh {imprint.who}", f"Made {made} by {imprint.who}").in_(language)
    return f"{title} · {by} · Karcis"


class _Numbered(Canvas):  # type: ignore[misc]
    """Keeps its pages back until their number is known, to write it on each."""

    def __init__(self, *args: Any, foot: str, language: str, **named: Any) -> None:
        super().__init__(*args, **named)
        self._foot, self._language = foot, language
        self._kept: list[dict[str, Any]] = []

    def showPage(self) -> None:  # noqa: N802
        self._kept.append(dict(self.__dict__))
        self._startPage()

    def save(self) -> None:
        kept = self._kept
        for number, page in enumerate(kept, 1):
            self.__dict__.update(page)
            self._below(number, len(kept))
            super().showPage()
        super().save()

    def _below(self, number: int, count: int) -> None:
        width = self._pagesize[0]
        self.setStrokeColor(RULE)
        self.line(MARGIN, FOOT - 4 * mm, width - MARGIN, FOOT - 4 * mm)
        self.setFillColor(GREY)
        self.setFont(NORMAL, 7)
        page = Said(f"Halaman {number} dari {count}", f"Page {number} of {count}")
        told = page.in_(self._language)
        self.drawRightString(width - MARGIN, FOOT - 8 * mm, told)
        room = width - 2 * MARGIN - pdfmetrics.stringWidth(told, NORMAL, 7) - 5 * mm
        foot = self._foot
        while pdfmetrics.stringWidth(foot, NORMAL, 7) > room:
            foot = f"{foot[:-2]}…"
        self.drawString(MARGIN, FOOT - 8 * mm, foot)


def _head(table: Table, language: str) -> list[Any]:
    asked = table.asked
    lines = [f"<b>{span(asked.period, language)}</b>"]
    if asked.filters:
        told = ", ".join(
            f"{FILTERS[name].in_(language)} {escape(value)}"
            for name, value in asked.filters.items()
        )
        lines.append(f"{Said('Saringan', 'Filters').in_(language)}: {told}")
    return [
        Paragraph(escape(f"{asked.books.agency} {asked.books.regency}"), TEXT),
        Paragraph(escape(table.report.title.in_(language)), TITLE),
        Spacer(0, 1.5 * mm),
        *(Paragraph(line, TEXT) for line in lines),
        Spacer(0, 4 * mm),
    ]


def _grid(table: Table | Section, language: str, room: float) -> Any:
    columns = table.columns
    lines = [
        [shown(v, c.kind, language) for v, c in zip(row, columns, strict=True)]
        for row in table.rows
    ]
    total = _totals(table, language) if table.rows and table.has_totals else None
    titles = [column.title.in_(language) for column in columns]
    size, widths = _widths(columns, titles, [*lines, *([total] if total else [])], room)
    cells = [
        _cells(titles, columns, size, BOLD),
        *(_cells(t, columns, size, NORMAL) for t in lines),
    ]
    style = [
        ("BACKGROUND", (0, 0), (-1, 0), HEAD),
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, RULE),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LEFTPADDING", (0, 0), (-1, -1), PADDING),
        ("RIGHTPADDING", (0, 0), (-1, -1), PADDING),
        ("TOPPADDING", (0, 0), (-1, -1), 2),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 2.5),
    ]
    if not table.rows:
        nothing = Said("Tidak ada.", "Nothing.").in_(language)
        cells.append(_cells([nothing, *[""] * (len(columns) - 1)], columns, size, NORMAL))
        style += [("SPAN", (0, 1), (-1, 1))]
    elif total:
        cells.append(_cells(total, columns, size, BOLD))
        style += [("LINEABOVE", (0, -1), (-1, -1), 1, INK), ("NOSPLIT", (0, -2), (-1, -1))]
    return LongTable(cells, colWidths=widths, repeatRows=1, style=TableStyle(style), hAlign="LEFT")


def _totals(table: Table | Section, language: str) -> list[str]:
    told: list[Value] = list(table.totals)
    if not table.columns[0].total:
        told[0] = "Total"
    return [shown(v, c.kind, language) for v, c in zip(told, table.columns, strict=True)]


def _widths(
    columns: Sequence[Column], titles: Sequence[str], lines: Sequence[Sequence[str]], room: float
) -> tuple[float, list[float]]:
    """The size of type at which no number breaks, and the columns' widths: texts get the rest."""

    def wide(at: int, size: float) -> float:
        words = [line[at] for line in lines] if columns[at].kind.is_number else []
        words += titles[at].split()
        widest: float = (
            max(pdfmetrics.stringWidth(word, BOLD, size) for word in words) + 2 * PADDING + 1
        )
        return widest

    texts = [at for at, column in enumerate(columns) if column.kind is Kind.TEXT]
    for size in SIZES:
        widths = [wide(at, size) for at in range(len(columns))]
        rest = room - sum(widths)
        if rest >= len(texts) * TEXT_ROOM or size == SIZES[-1]:
            break
    natural = [
        max((pdfmetrics.stringWidth(line[at], NORMAL, size) for line in lines), default=0) + 1
        for at in texts
    ]
    for at, share in zip(texts, natural, strict=True):
        widths[at] += min(max(rest, 0) * share / sum(natural), share + 2 * PADDING)
    return size, widths


def _cells(texts: Sequence[str], columns: Sequence[Column], size: float, font: str) -> list[Any]:
    left = _style(f"cell-{font}-{size}", size, font)
    right = _style(f"number-{font}-{size}", size, font, alignment=TA_RIGHT)
    return [
        Paragraph(escape(text), right if column.kind.is_number else left)
        for text, column in zip(texts, columns, strict=True)
    ]


def _notes(table: Table, language: str) -> list[Any]:
    title = Said("Cara menghitung", "How it is reckoned").in_(language)
    return [
        Paragraph(title, HEADING),
        *(Paragraph(escape(note), SMALL) for note in table.notes(language)),
    ]


TIMES = {
    None: Said("", ""),
    True: Said(
        " Waktunya dicap oleh layanan cap waktu (RFC 3161).",
        " Its time is stamped by a time stamp service (RFC 3161).",
    ),
    False: Said(
        " TANPA CAP WAKTU: layanan cap waktu tidak menjawab saat berkas ini dibuat.",
        " WITHOUT A TIME STAMP: the time stamp service did not answer when this file was made.",
    ),
}


def signed_words(imprint: Imprint) -> Said:
    """Whether a file is signed, and by whom."""
    signed = Said(
        "BERKAS INI TIDAK DITANDATANGANI secara elektronik: kantor belum memasang kunci.",
        "THIS FILE IS NOT SIGNED electronically: the office has set no key.",
    )
    if imprint.signer is not None:
        level = "B-T" if imprint.stamped else "B-B"
        time = TIMES[imprint.stamped]
        signed = Said(
            f"Ditandatangani secara elektronik (PAdES {level}) oleh: {imprint.signer}. Perubahan"
            f" apa pun pada berkas ini terlihat saat tanda tangannya diperiksa.{time.bahasa}",
            f"Signed electronically (PAdES {level}) by: {imprint.signer}. Any change of this file"
            f" shows when its signature is checked.{time.english}",
        )
    return signed


def proof_of(imprint: Imprint) -> Proof:
    """What stands for one of the office's papers of money, in Bahasa as they are."""
    signed = signed_words(imprint).bahasa
    if imprint.checkpoint is None:
        return Proof((signed, "Belum ada titik periksa catatan audit."))
    note = " ".join(imprint.checkpoint.note.split())
    about = f"Titik periksa catatan audit saat berkas ini dibuat, juga sebagai QR: {note}"
    return Proof((signed, about), imprint.checkpoint.note)


def _proof(imprint: Imprint, language: str) -> list[Any]:
    """Whether it is signed, and the checkpoint with its QR, together on one page."""
    title = Said("Tanda tangan dan catatan audit", "Signature and audit log").in_(language)
    signed = signed_words(imprint)
    told = [Paragraph(title, HEADING), Paragraph(escape(signed.in_(language)), SMALL)]
    if imprint.checkpoint is None:
        none = Said(
            "Belum ada titik periksa catatan audit.", "The audit log has no checkpoint yet."
        )
        return [KeepTogether([*told, Paragraph(none.in_(language), SMALL)])]
    about = Said(
        "Titik periksa terbaru catatan audit saat laporan ini dibuat, juga sebagai QR:",
        "The newest checkpoint of the audit log when this report was made, also as QR:",
    )
    note = escape(imprint.checkpoint.note.strip()).replace("\n", "<br/>")
    beside = Grid(
        [
            [
                _code(imprint.checkpoint.note),
                [Paragraph(about.in_(language), SMALL), Spacer(0, 2 * mm), Paragraph(note, SMALL)],
            ]
        ],
        colWidths=[CODE + 4 * mm, None],
        style=TableStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (0, 0), 0)]),
        hAlign="LEFT",
    )
    return [KeepTogether([*told, Spacer(0, 2 * mm), beside])]


def _code(text: str) -> Any:
    code = qrcode.QRCode(error_correction=qrcode.ERROR_CORRECT_M, border=4, box_size=6)
    code.add_data(text)
    code.make()
    picture = io.BytesIO()
    code.make_image().save(picture, "PNG")
    picture.seek(0)
    return Image(picture, CODE, CODE)
