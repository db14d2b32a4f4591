"""A page that shows what a printer can do, and the profiles that fit what came out of it.

A wrong profile prints garbage or nothing, and clones do not say what they are. So each lettered
part of the page is encoded for a printer that has the ability it asks about, and a person looks.
"""

from collections.abc import Iterator
from dataclasses import replace

from printer.document import Columns, Cut, Document, Feed, Qr, Rule, Text
from printer.encoding import encode
from printer.profiles import Profile, names, profile

# Columns of Font A that paper has, by the letter its ruler begins with.
RULERS = {"A": 32, "B": 42, "C": 48}
BY_PRINTER, AS_PICTURE = "D", "E"
# Code pages, by the letter of their sample: Python's name, and the number that chooses it in each
# language (ESC t n; ESC GS t n). TSPL has its own names for them and prints ASCII here.
CHARSETS = {
    "F": ("cp437", {"escpos": 0, "starprnt": 1}),
    "G": ("cp1252", {"escpos": 16, "starprnt": 32}),
}
SAMPLE = "é ü ñ £ ½ ±"


def parts(tried: Profile, told: str) -> Iterator[tuple[Document, Profile]]:
    """The page from top to bottom: documents, each with the profile it is to be encoded for.

    `told` is what the printer said of itself before. Only command language, cutter and feeds are
    taken from the profile `tried`.
    """
    # As wide as the narrowest paper, so that every printer shows it whole.
    narrow = replace(tried, columns=32, dots=384, charset="ascii")
    yield (
        Document(
            (
                Text("UJI CETAK", align="center", bold=True, width=2, height=2),
                Text("Self-test", align="center"),
                Rule("="),
                Columns("Profil", tried.name),
                Columns("Status", told),
                Rule(),
                Text("Lebar: huruf terakhir yang masih sebaris penuh, sampai tanda |"),
                Text("Width: the last letter whose line is whole, up to the |"),
            )
        ),
        narrow,
    )
    rulers = Document(tuple(Text(_ruler(letter)) for letter in RULERS))
    yield rulers, replace(narrow, columns=max(RULERS.values()))
    for letter, title in ((BY_PRINTER, "QR oleh printer"), (AS_PICTURE, "QR sebagai gambar")):
        code = Document((Text(f"{letter}  {title}"), Qr(f"KARCIS-UJI-{letter}")))
        yield code, replace(narrow, native_qr=letter == BY_PRINTER)
    for letter, (charset, numbers) in CHARSETS.items():
        if tried.language in numbers:
            sample = Document((Text(f"{letter}  {charset}: {SAMPLE}"),))
            yield sample, replace(narrow, charset=charset, codepage=numbers[tried.language])
    end = (Feed(1), Text("-- AKHIR UJI CETAK --", align="center"), Cut())
    yield Document(end), narrow


def _ruler(letter: str) -> str:
    digits = "".join(str(column % 10) for column in range(2, RULERS[letter]))
    return f"{letter}{digits}|"


def page(tried: Profile, told: str) -> bytes:
    """The bytes of the whole page."""
    return b"".join(encode(document, kind) for document, kind in parts(tried, told))


def fitting(came_out: str, language: str) -> list[str]:
    """Names of the profiles of a language that ask for nothing but what came out, plain ones first.

    `came_out` holds letters of the page, in any order and case.
    """
    letters = set(came_out.upper())
    columns = max((width for letter, width in RULERS.items() if letter in letters), default=0)
    charsets = {"ascii"} | {name for letter, (name, _) in CHARSETS.items() if letter in letters}
    return [
        name
        for name in names()
        for kind in [profile(name)]
        if kind.language == language
        and kind.columns == columns
        and (BY_PRINTER if kind.native_qr else AS_PICTURE) in letters
        and kind.charset in charsets
    ]
