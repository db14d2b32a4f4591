"""What to print, said without any printer in mind: an ordered list of items, and its JSON form.

JSON: `{"items": [{"type": "text", "text": "KARCIS", "align": "center"}, {"type": "cut"}]}`.
`type` is the class name in lower case, the other members are its fields (defaults may be left out);
the bytes of an image are base64 in `png`.
"""

import base64
import binascii
import json
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

from printer.errors import DocumentError

Align = Literal["left", "center", "right"]
ErrorCorrection = Literal["L", "M", "Q", "H"]
Magnification = Literal[1, 2]
Dither = Literal["floyd-steinberg", "ordered", "none"]
"""How grey becomes dots."""


@dataclass(frozen=True, slots=True)
class Text:
    """One paragraph, wrapped at spaces. A no-break space (U+00A0) keeps its neighbours together."""

    text: str
    align: Align = "left"
    bold: bool = False
    width: Magnification = 1
    height: Magnification = 1


@dataclass(frozen=True, slots=True)
class Columns:
    """A label at the left and its value at the right; a long value wraps, nothing is ever cut."""

    left: str
    right: str
    bold: bool = False
    width: Magnification = 1
    height: Magnification = 1


@dataclass(frozen=True, slots=True)
class Rule:
    """A line across the paper."""

    char: Literal["-", "="] = "-"


@dataclass(frozen=True, slots=True)
class Qr:
    """A QR code, centred, with its quiet zone.

    `max_module_dots` is the wanted size of a module (6 dots = 0.75 mm); a symbol too wide for the
    paper gets smaller modules, down to the smallest that cheap cameras read.
    """

    data: str
    ec: ErrorCorrection = "M"
    max_module_dots: int = 6

    def __post_init__(self) -> None:
        if not 4 <= self.max_module_dots <= 16:
            raise DocumentError(f"max_module_dots is 4 to 16, not {self.max_module_dots}")
        if not self.data:
            raise DocumentError("the data of a QR code is empty")
        # Refused, not stripped: a QR code that says something else is worse than none.
        if any(ord(char) < 0x20 or ord(char) == 0x7F for char in self.data):
            raise DocumentError("the data of a QR code holds control characters")
        try:
            self.data.encode()
        except UnicodeEncodeError:
            raise DocumentError("the data of a QR code is not valid Unicode") from None


@dataclass(frozen=True, slots=True)
class Image:
    """A picture (PNG bytes), centred, shrunk if wider than the paper.

    "floyd-steinberg" suits photographs, "ordered" flat tints (and heats the head more evenly),
    "none" line art, which stays crisp.
    """

    png: bytes = field(repr=False)
    dither: Dither = "floyd-steinberg"


@dataclass(frozen=True, slots=True)
class Feed:
    """Blank lines, 1 to 255."""

    lines: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.lines <= 255:
            raise DocumentError(f"a feed is 1 to 255 lines, not {self.lines}")


@dataclass(frozen=True, slots=True)
class Cut:
    """End of a slip: a cut, or on printers without cutter a feed past the tear bar."""


Item = Text | Columns | Rule | Qr | Image | Feed | Cut

_TYPES: dict[str, type[Item]] = {kind.__name__.lower(): kind for kind in get_args(Item)}


@dataclass(frozen=True, slots=True)
class Document:
    """What goes on one slip of paper, from top to bottom."""

    items: tuple[Item, ...]

    @classmethod
    def from_json(cls, text: str | bytes) -> "Document":
        """Read a document; `DocumentError` names the item and the member that is wrong."""
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise DocumentError(f"not JSON: {error}") from None
        if not isinstance(data, dict) or not isinstance(data.get("items"), list):
            raise DocumentError('a document is an object with a list "items"')
        if unknown := data.keys() - {"items"}:
            raise DocumentError(f"a document has no member {_listed(unknown)}")
        items = []
        for number, entry in enumerate(data["items"]):
            try:
                items.append(_item(entry))
            except DocumentError as error:
                raise DocumentError(f"items[{number}]: {error}") from None
        return cls(tuple(items))

    def to_json(self) -> str:
        """The JSON text that `from_json` reads back to an equal document; defaults are left out."""
        entries = []
        for item in self.items:
            entry: dict[str, Any] = {"type": type(item).__name__.lower()}
            for member in fields(item):
                value = getattr(item, member.name)
                if value != member.default:
                    entry[member.name] = (
                        base64.b64encode(value).decode() if isinstance(value, bytes) else value
                    )
            entries.append(entry)
        return json.dumps({"items": entries}, ensure_ascii=False, indent=2) + "\n"


def _item(entry: Any) -> Item:
    if not isinstance(entry, dict):
        raise DocumentError("an item is an object")
    name = entry.get("type")
    kind = _TYPES.get(name) if isinstance(name, str) else None
    if kind is None:
        raise DocumentError(f"type is one of {', '.join(_TYPES)}, not {name!r}")
    hints = get_type_hints(kind)
    if unknown := entry.keys() - hints.keys() - {"type"}:
        raise DocumentError(f"{name} has no member {_listed(unknown)}")
    for member in fields(kind):
        if member.default is MISSING and member.name not in entry:
            raise DocumentError(f"{name} needs {member.name}")
    values = {key: _value(key, value, hints[key]) for key, value in entry.items() if key != "type"}
    return kind(**values)


def _value(name: str, value: Any, hint: Any) -> Any:
    if get_origin(hint) is Literal:
        # `True == 1` in Python, so the type is compared as well.
        if not any(type(value) is type(choice) and value == choice for choice in get_args(hint)):
            choices = ", ".join(map(repr, get_args(hint)))
            raise DocumentError(f"{name} is one of {choices}, not {value!r}")
        return value
    if hint is bytes:
        try:
            return base64.b64decode(value, validate=True)
        except (TypeError, ValueError, binascii.Error):
            raise DocumentError(f"{name} is not base64") from None
    if type(value) is not hint:
        raise DocumentError(f"{name} is of type {hint.__name__}, not {type(value).__name__}")
    return value


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(map(repr, names)))
