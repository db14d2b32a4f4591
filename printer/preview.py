"""Document -> picture of the paper, drawn from the same commands that become bytes.

Dot-accurate for rasters, QR codes, line heights and feeds; the glyphs are a stand-in for the
printer's own font, each in its 12 x 24 cell.
"""

from typing import TYPE_CHECKING

from printer import qr
from printer.document import Cut, Document, Feed
from printer.layout import GLYPH_DOTS, Command, Line, NativeQr, Raster, lay_out
from printer.profiles import Profile

if TYPE_CHECKING:
    import PIL.Image

TOP_DOTS = 24
CUTTER_DOTS = 80  # from the print head to the knife
BLACK, GREY, WHITE = 0, 160, 255


def preview(document: Document, profile: Profile) -> "PIL.Image.Image":
    """The paper as a grey picture, one pixel a dot, as wide as the roll.

    Raises what `encode` raises.
    """
    import PIL.Image  # 25 ms to import, and not needed for printing

    commands = lay_out(document, profile)
    width = profile.paper_dots
    height = TOP_DOTS + sum(_height(command, profile.line_dots) for command in commands)
    paper = PIL.Image.new("L", (width, height), WHITE)
    left, y = (width - profile.dots) // 2, TOP_DOTS
    for command in commands:
        match command:
            case Line():
                _draw_line(paper, command, left, y)
            case Raster() | NativeQr():
                bitmap = _bitmap(command)
                paper.paste(bitmap, (left + (profile.dots - bitmap.width) // 2, y))
            case Cut():
                for x in range(0, width, 16):
                    paper.paste(GREY, (x, y + CUTTER_DOTS - 2, x + 8, y + CUTTER_DOTS))
            case Feed():
                pass
        y += _height(command, profile.line_dots)
    return paper


def _height(command: Command, line_dots: int) -> int:
    match command:
        case Line(text, _, _, height):
            return max(line_dots, GLYPH_DOTS * height) if text.strip() else line_dots * height
        case Raster(data, width_bytes):
            return len(data) // width_bytes
        case NativeQr():
            return len(qr.matrix(command.data, command.ec)) * command.module_dots
        case Feed(lines):
            return line_dots * lines
        case Cut():
            return CUTTER_DOTS


def _draw_line(paper: "PIL.Image.Image", line: Line, left: int, y: int) -> None:
    import PIL.Image

    from printer.glyphs import CELL_WIDTH, glyph

    size = (CELL_WIDTH * line.width, GLYPH_DOTS * line.height)
    for column, char in enumerate(line.text):
        if char != " ":
            # Nearest: a printer doubles dots, it does not draw finer ones.
            cell = glyph(char, line.bold).resize(size, PIL.Image.Resampling.NEAREST)
            paper.paste(cell, (left + column * size[0], y))


def _bitmap(command: Raster | NativeQr) -> "PIL.Image.Image":
    import PIL.Image

    if isinstance(command, Raster):
        width = command.width_bytes * 8
        size = (width, len(command.data) // command.width_bytes)
        return PIL.Image.frombytes("1", size, command.data, "raw", "1;I")
    symbol = qr.matrix(command.data, command.ec)
    size = (len(symbol), len(symbol))
    dots = PIL.Image.frombytes("L", size, b"".join(symbol)).point(lambda v: BLACK if v else WHITE)
    side = len(symbol) * command.module_dots
    return dots.resize((side, side), PIL.Image.Resampling.NEAREST)
