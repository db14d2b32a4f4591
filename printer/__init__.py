"""Thermal printing for slips of paper: documents, layout, ESC/POS bytes, delivery, previews.

    document = printer.Document((printer.Text("KARCIS"), printer.Qr("https://…"), printer.Cut()))
    profile = printer.profile("generic-58")
    outcome = printer.send(printer.encode(document, profile), printer.from_url(url), profile)

Importing this costs the standard library only; Pillow and segno load when first needed.
"""

from printer.delivery import Outcome, Result, send
from printer.document import Columns, Cut, Document, Feed, Image, Item, Qr, Rule, Text
from printer.encoding import encode
from printer.errors import (
    BadAddress,
    Busy,
    DocumentError,
    Lost,
    NotInstalled,
    NotSent,
    Partial,
    PrinterError,
    QrTooWide,
    QueueFull,
    QueueInUse,
    SlipStateError,
    SpoolError,
    TransportError,
    UnknownFault,
    UnknownProfile,
    UnknownSlip,
)

# The function takes the name of its module here, on purpose: once imported, a later
# `import printer.preview` does not put the module back.
from printer.preview import preview
from printer.profiles import Profile, names, profile
from printer.spooler import Change, Job, JobState, Spooler, from_content
from printer.status import State, query
from printer.transports import File, Memory, Network, Transport, from_url

__all__ = [
    "BadAddress",
    "Busy",
    "Change",
    "Columns",
    "Cut",
    "Document",
    "DocumentError",
    "Feed",
    "File",
    "Image",
    "Item",
    "Job",
    "JobState",
    "Lost",
    "Memory",
    "Network",
    "NotInstalled",
    "NotSent",
    "Outcome",
    "Partial",
    "PrinterError",
    "Profile",
    "Qr",
    "QrTooWide",
    "QueueFull",
    "QueueInUse",
    "Result",
    "Rule",
    "SlipStateError",
    "SpoolError",
    "Spooler",
    "State",
    "Text",
    "Transport",
    "TransportError",
    "UnknownFault",
    "UnknownProfile",
    "UnknownSlip",
    "encode",
    "from_content",
    "from_url",
    "names",
    "preview",
    "profile",
    "query",
    "send",
]
