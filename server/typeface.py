"""Bitstream Vera, which comes with reportlab, for what is drawn as PDF.

Embedded, because presses refuse what is not. Importing this makes both names known to reportlab.
"""

from importlib.resources import files

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont

NORMAL, BOLD = "KarcisVera", "KarcisVeraBold"
NORMAL_FILE = str(files("reportlab") / "fonts" / "Vera.ttf")

pdfmetrics.registerFont(TTFont(NORMAL, NORMAL_FILE))
pdfmetrics.registerFont(TTFont(BOLD, str(files("reportlab") / "fonts" / "VeraBd.ttf")))
