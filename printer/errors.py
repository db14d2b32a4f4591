"""Everything that can go wrong in printing, as one tree.

PrinterError
├── DocumentError      the document is not well-formed (wrong JSON, wrong field, unreadable picture)
│   └── QrTooWide      the QR code cannot fit on this paper at a readable size
├── UnknownProfile     no such printer profile
├── UnknownFault       no such fault of the virtual printer
├── SpoolError         the queue of slips refused something
│   ├── QueueFull          too many slips are waiting: nothing was queued
│   ├── QueueInUse         another process prints this queue, or the file is another program's
│   ├── UnknownSlip        no slip of that key and copy
│   └── SlipStateError     the slip does not stand where that could be done
└── TransportError     the way to the printer failed; the subclass says what left this host
    ├── BadAddress     the URL names no transport
    ├── NotSent        nothing left: trying again cannot print twice
    │   ├── Busy           another owner holds the printer
    │   └── NotInstalled   this way needs a library that is not installed
    ├── Partial        some bytes left, then the printer stopped taking them
    └── Lost           the connection broke
"""


class PrinterError(Exception):
    """Base of all errors of this package; its text is one sentence for a person."""


class DocumentError(PrinterError):
    """The document cannot be printed as it stands. Raised before any byte is made."""


class QrTooWide(DocumentError):
    """A QR code does not fit. A printer would print nothing and say nothing, so this is said here.

    `needed_dots` is the width at the smallest readable module, quiet zone included.
    """

    def __init__(self, needed_dots: int, available_dots: int) -> None:
        super().__init__(
            f"the QR code needs {needed_dots} dots and the paper has {available_dots}; "
            "shorten its text or use wider paper"
        )
        self.needed_dots = needed_dots
        self.available_dots = available_dots


class UnknownProfile(PrinterError):
    """No profile of that name; the text lists the names there are."""


class UnknownFault(PrinterError):
    """The virtual printer plays no fault of that name; the text lists those it does."""


class SpoolError(PrinterError):
    """The queue of slips refused something; no slip changed."""


class QueueFull(SpoolError):
    """Too many slips are waiting; nothing was queued. Somebody has to look at the printer."""


class QueueInUse(SpoolError):
    """Another process prints this queue, or the file is not a queue of its own."""


class UnknownSlip(SpoolError):
    """There is no slip of that key and copy."""


class SlipStateError(SpoolError):
    """The slip does not stand where that could be done; somebody else was quicker."""


class TransportError(PrinterError):
    """The way to the printer failed. `sent` is how many bytes of the write had been handed over."""

    def __init__(self, message: str, sent: int = 0) -> None:
        super().__init__(message)
        self.sent = sent


class BadAddress(TransportError):
    """The URL names no transport."""


class NotSent(TransportError):
    """Not one byte was handed over, so the same bytes may be sent again."""


class Busy(NotSent):
    """Another owner, of this or another process, holds the printer."""


class NotInstalled(NotSent):
    """`way` needs the optional `library`; the text says how to install it."""

    def __init__(self, way: str, library: str, extra: str) -> None:
        super().__init__(f"{way}: {library} is missing, pip install 'karcis[{extra}]'")


class Partial(TransportError):
    """The deadline passed with `sent` bytes handed over: paper may or may not carry them."""


class Lost(TransportError):
    """The connection broke after `sent` bytes were handed over."""
