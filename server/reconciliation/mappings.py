"""How the files of one acquirer or bank are read: a mapping, kept as data in TOML.

Ready ones stand in settlements.toml, statements.toml and payouts.toml beside this file; an office
adds its own as a file of its own. docs/settlements.md tells every field.
"""

import hashlib
import json
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    field_validator,
    model_validator,
)

from server.reconciliation.files import SHORTEST_BATCH

Says = Literal[
    "payment", "refund", "settled", "held", "unsettled", "credit", "debit", "paid", "failed"
]
Text = Annotated[str, Field(min_length=1)]
Columns = Annotated[
    tuple[Text, ...], BeforeValidator(lambda told: (told,) if isinstance(told, str) else told)
]

WRONG = {
    "missing": ("is missing", "belum diisi"),
    "extra_forbidden": ("is no field of a mapping", "bukan isian pemetaan"),
}


class MappingRefused(ValueError):
    """A mapping cannot be used: which field, and why, in both languages."""

    def __init__(self, english: str, indonesian: str) -> None:
        super().__init__(f"{indonesian} / {english}")
        self.english = english
        self.indonesian = indonesian


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Header(Part):
    """Where the names of the columns stand, and what the file's first cell must be."""

    line: int = Field(1, ge=1, le=50)
    mark: str = ""


class Trailer(Part):
    """The last line: how it begins, and which of its cells (from 1) hold number and sums."""

    mark: Text
    lines: int | None = Field(None, ge=1)
    gross: int | None = Field(None, ge=1)
    net: int | None = Field(None, ge=1)


class Words(Part):
    """What the values of a column mean; a value that is not listed refuses its line."""

    column: Text
    values: dict[str, Says] = Field(min_length=1)


class Mapping(Part):
    """What the tables of acquirers and of banks share: how numbers, times and text are written."""

    encoding: Literal["utf-8", "latin-1", "cp1252", "utf-16"] = "utf-8"
    delimiter: Literal[",", ";", "\t", "|"] = ","
    decimal: Literal[".", ","] = "."
    thousands: Literal["", ".", ",", " "] = ""
    units_per_rupiah: Literal[1, 100] = 1
    timezone: str = ""
    date_format: str = ""
    time_format: str = ""
    header: Header = Header()
    words: tuple[Words, ...] = ()

    _name: str = PrivateAttr("")

    @property
    def name(self) -> str:
        """A ready one's name, or that of the file it stands in."""
        return self._name

    @property
    def version(self) -> bytes:
        """The SHA-256 of what it says: whoever changes a mapping makes another version of it."""
        told = self.model_dump(mode="json", exclude_defaults=True)
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).digest()

    @field_validator("timezone")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            ZoneInfo(name or "UTC")
        except (ZoneInfoNotFoundError, ValueError) as exc:
            raise ValueError(f"no time zone {name!r}") from exc
        return name

    @model_validator(mode="after")
    def _marks_differ(self) -> "Mapping":
        if self.decimal == self.thousands:
            raise ValueError("decimal and thousands are the same mark")
        return self


class SettlementColumns(Part):
    """The file's column of each thing we ask for; from reference on only where it has one.

    One at least of reference (ours), acquirer_reference and rrn tells whose money a line is.
    """

    settlement_date: Text
    paid_at: Columns
    gross: Text
    mdr: Text
    net: Text
    reference: str = ""
    acquirer_reference: str = ""
    rrn: str = ""
    batch_id: str = ""
    vat: str = ""
    withheld: str = ""
    currency: str = ""
    merchant: str = ""

    @model_validator(mode="after")
    def _tells_whose_money_it_is(self) -> "SettlementColumns":
        if not (self.acquirer_reference or self.reference or self.rrn):
            raise ValueError("one of acquirer_reference, reference and rrn is needed")
        return self


class SettlementMapping(Mapping):
    """One acquirer's settlement file, as CSV or XLSX."""

    columns: SettlementColumns
    batch: str = ""
    """The name of a batch by its date where no column has it, as strftime writes it."""
    fees: Literal["positive", "negative"] = "positive"
    withheld: Literal["taken", "given"] = "taken"
    trailer: Trailer | None = None

    @model_validator(mode="after")
    def _batches_have_names(self) -> "SettlementMapping":
        if bool(self.batch) == bool(self.columns.batch_id):
            raise ValueError("either columns.batch_id or batch names a batch")
        if self.batch and ("%d" not in self.batch or len(self.batch) < SHORTEST_BATCH):
            raise ValueError("batch needs %Y, %m and %d, and six characters")
        return self


class StatementColumns(Part):
    """Either `amount`, with its sign or with words, or `debit` and `credit`."""

    value_date: Text
    narrative: Columns
    account: str = ""
    amount: str = ""
    debit: str = ""
    credit: str = ""
    balance: str = ""
    currency: str = ""


class StatementMapping(Mapping):
    """One bank's statement as CSV or XLSX."""

    columns: StatementColumns
    account: str = ""
    """The number of the account where no column has it."""

    @model_validator(mode="after")
    def _amounts_and_accounts(self) -> "StatementMapping":
        columns = self.columns
        if bool(columns.amount) == bool(columns.debit and columns.credit):
            raise ValueError("either columns.amount or columns.debit and columns.credit")
        if bool(self.account) == bool(columns.account):
            raise ValueError("either columns.account or account names the account")
        return self


class PayoutColumns(Part):
    """The reference that the bulk file gave each line, its amount, and what the bank says of it."""

    reference: Text
    amount: Text
    evidence: Columns


class PayoutMapping(Mapping):
    """What one bank tells of a bulk file as CSV or XLSX; its words say `paid` or `failed`."""

    columns: PayoutColumns

    @model_validator(mode="after")
    def _says_what_became_of_it(self) -> "PayoutMapping":
        if {says for word in self.words for says in word.values.values()} != {"paid", "failed"}:
            raise ValueError("words must say what is paid and what is failed, and nothing else")
        return self


Kind = TypeVar("Kind", bound=Mapping)
READY: dict[type[Mapping], str] = {
    SettlementMapping: "settlements.toml",
    StatementMapping: "statements.toml",
    PayoutMapping: "payouts.toml",
}


def ready_text(kind: type[Mapping]) -> str:
    """The mappings that come with the server, as TOML with what is known of each."""
    return (files("server.reconciliation") / READY[kind]).read_text()


def ready(kind: type[Mapping]) -> dict[str, Any]:
    """The mappings that come with the server, by name."""
    return tomllib.loads(ready_text(kind))


def mapping(kind: type[Kind], name: str) -> Kind:
    """A ready mapping by its name, or one from a file whose name ends in .toml."""
    return _read(kind, Path(name)) if name.endswith(".toml") else _ready(kind, name)


def choices(kind: type[Mapping], configured: str) -> list[str]:
    """What a form offers: the configured mapping first, then the other ready ones."""
    return [Path(configured).name, *(name for name in ready(kind) if name != configured)]


def chosen(kind: type[Kind], name: str, configured: str) -> Kind:
    """What was chosen of a form: the configured mapping or a ready one, no file of anybody's."""
    if name in ("", Path(configured).name):
        return mapping(kind, configured)
    return _ready(kind, name)


def _ready(kind: type[Kind], name: str) -> Kind:
    there = ready(kind)
    if name not in there:
        names = ", ".join(sorted(there))
        raise MappingRefused(
            f"no mapping {name!r}; there are: {names}", f"tidak ada pemetaan {name!r}; ada: {names}"
        )
    return _named(parsed(kind, there[name]), name)


def _named(found: Kind, name: str) -> Kind:
    found._name = name
    return found


def _read(kind: type[Kind], path: Path) -> Kind:
    try:
        return _named(parsed(kind, tomllib.loads(path.read_text())), path.name)
    except (OSError, UnicodeDecodeError) as exc:
        raise MappingRefused(
            f"{path} cannot be read ({type(exc).__name__})",
            f"{path} tidak dapat dibaca ({type(exc).__name__})",
        ) from exc
    except tomllib.TOMLDecodeError as exc:
        raise MappingRefused(f"{path}: not TOML: {exc}", f"{path}: bukan TOML: {exc}") from exc


def parsed(kind: type[Kind], told: dict[str, Any]) -> Kind:
    try:
        return kind.model_validate(told)
    except ValidationError as exc:
        english, indonesian = zip(*(_wrong(error) for error in exc.errors()), strict=True)
        raise MappingRefused("; ".join(english), "; ".join(indonesian)) from exc


def _wrong(error: Any) -> tuple[str, str]:
    field = ".".join(str(part) for part in error["loc"]) or "mapping"
    why = error["msg"].removeprefix("Value error, ")
    english, indonesian = WRONG.get(error["type"], (why, f"tidak sah ({why})"))
    return f"{field}: {english}", f"{field}: {indonesian}"
