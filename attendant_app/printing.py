"""Slips on their way to paper: one at a time, each state on disk before the act it names.

A slip is PRINTED by the printer's own acknowledgement or by the attendant's tap, never because its
bytes are gone. Once bytes may have left, a further attempt is a marked copy: never two originals.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from attendant_app import messages, paperwork, prices, problems
from attendant_app.runtime import Handheld, device_time
from attendant_app.slips import Printing
from domain.events import EventKind
from domain.receipt import ReceiptFactsError
from printer.delivery import Outcome, Result, send
from printer.document import Document
from printer.encoding import encode
from printer.errors import PrinterError, QueueFull, SlipStateError
from printer.profiles import profile
from printer.spooler import Job, JobState
from printer.status import State
from printer.transports import from_url
from printer.transports.rawbt import RawBt

log = logging.getLogger(__name__)

SEND_DEADLINE_S = 10.0
KEPT_FOR = timedelta(days=400)
"""Slips and their log; what was printed stays in the journal."""
KEPT_HAND_OFFS = 20
# What a trouble looks like, by what the printer or its line said last.
PICTURES = {
    "paper-out": "printer-paper",
    "paper-near-end": "printer-paper",
    "cover-open": "printer-cover",
    "offline": "printer-unplugged",
    "unreachable": "printer-unplugged",
}


async def run(handheld: Handheld) -> None:
    """Print what is queued, until cancelled."""
    queue = handheld.store.print_queue
    while True:
        heard = handheld.bell.rings
        try:
            job = queue.next(device_time())
            if job is not None:
                await _print(handheld, job)
                handheld.bell.ring()
                continue
        except Exception:
            log.exception("printing failed, going on")
            await asyncio.sleep(1)
            with suppress(sqlite3.Error):
                queue.recover(device_time())
        # A queued slip that waits out its pause is due within the idle time.
        await handheld.bell.wait(heard, 1.0)


async def _print(handheld: Handheld, job: Job) -> None:
    queue = handheld.store.print_queue
    try:
        document = _slip(handheld, job)
        if document is None:
            is_receipt = _of(job)[0] == paperwork.RECEIPT
            queue.fail(job, "not-paid" if is_receipt else "over", device_time())
            return
        kind = profile(handheld.settings.printer_profile)
        data = encode(document, kind)
        transport = from_url(handheld.settings.printer_url)
    except (PrinterError, ReceiptFactsError) as error:
        log.error("slip %s cannot be laid out: %s", job.key, error)  # noqa: TRY400 - no fault
        queue.fail(job, "unprintable", device_time(), str(error))
        return
    job = queue.start(job, device_time())
    handheld.bell.ring()
    outcome = await asyncio.to_thread(
        send,
        data,
        transport,
        kind,
        deadline_s=SEND_DEADLINE_S,
        # A copy follows a slip in doubt, which may have left half of itself in the printer; what is
        # handed to an app is that app's to heal.
        recover=job.copy > 0 and not isinstance(transport, RawBt),
        before_first_byte=_before_first_byte(handheld, job),
    )
    if isinstance(transport, RawBt):
        handheld.hand_offs[job.id] = transport.intent
        for forgotten in sorted(handheld.hand_offs)[:-KEPT_HAND_OFFS]:
            del handheld.hand_offs[forgotten]
    _settle(handheld, job, outcome)


def _before_first_byte(handheld: Handheld, job: Job) -> Callable[[], None]:
    """From the thread that sends: the file is the loop's."""
    loop = asyncio.get_running_loop()

    async def let_leave() -> None:
        handheld.store.print_queue.let_leave(job)

    return lambda: asyncio.run_coroutine_threadsafe(let_leave(), loop).result(SEND_DEADLINE_S)


def _of(job: Job) -> tuple[str, str]:
    """Which slip of which record; the content of a receipt's job is its charge alone."""
    kind, space, record_id = job.content.partition(" ")
    return (kind, record_id) if space else (paperwork.RECEIPT, job.content)


def _content(kind: str, record_id: str) -> str:
    return record_id if kind == paperwork.RECEIPT else f"{kind} {record_id}"


def _slip(handheld: Handheld, job: Job) -> Document | None:
    """What is to be printed, by what is known now; None where it may not be any more."""
    # By the office's clock: this device's may be wrong.
    asked_at = job.asked_at + timedelta(seconds=handheld.link.clock_offset_s)
    how = _how(handheld, job.copy, asked_at if job.copy else None)
    with suppress(problems.NotFound):
        return paperwork.document(handheld, *_of(job), how)
    return None


def _how(handheld: Handheld, copy: int = 0, reprinted_at: datetime | None = None) -> Printing:
    zone = prices.zone_of(handheld.store.master_data())
    return Printing(zone, handheld.settings.language, copy, reprinted_at)


def _settle(handheld: Handheld, job: Job, outcome: Outcome) -> None:
    """The end of an attempt, with the fact of it: the office counts slips, not only payments."""
    handheld.printer_state = _said(outcome)
    with handheld.store.transaction():
        after = handheld.store.print_queue.settle(job, outcome, device_time())
        if after.state in (JobState.PRINTED, JobState.UNCERTAIN):
            _record(handheld, after, after.state.value.lower())
    handheld.nudge()


def _said(outcome: Outcome) -> str:
    if outcome.result is Result.NOT_SENT:
        return "unreachable"
    if outcome.state is State.UNKNOWN and outcome.result is Result.PRINTED:
        return State.READY.value
    return outcome.state.value


def _record(handheld: Handheld, job: Job, result: str) -> None:
    of, charge_id = _of(job)
    if of != paperwork.RECEIPT:
        return  # the office counts receipts; the queue keeps the log of all slips
    shift = handheld.store.shift()
    kind = EventKind.RECEIPT_REPRINTED if job.copy else EventKind.RECEIPT_PRINTED
    fact = {
        "charge_id": charge_id,
        "receipt": job.key,
        "copy": job.copy,
        "result": result,
        "shift_id": shift.id if shift else None,
    }
    handheld.record(kind, fact, device_time())


# What a person may do about it


def ask(handheld: Handheld, kind: str, record_id: str) -> None:
    """Print a slip: the very one while nothing of it left, otherwise a marked copy.

    Raises NotFound for what is no record here, NoReceipt and NoSlip where nothing may be printed.
    """
    if handheld.training:
        raise problems.NotInTraining
    if not _may_be_printed(handheld, kind, record_id):
        raise _none(kind)
    queue, now = handheld.store.print_queue, device_time()
    copies = _copies(handheld, kind, record_id)
    try:
        if copies:
            queue.again(copies[-1].key, copies[-1].copy, who=_who(handheld), now=now)
        else:
            key = paperwork.number(handheld, kind, record_id)
            copy = 0 if paperwork.is_first(handheld, kind, record_id) else 1
            content = _content(kind, record_id)
            queue.submit(key, content, copy=copy, who=_who(handheld), now=now)
    except QueueFull as error:
        raise problems.PrintQueueFull(str(error)) from error
    handheld.nudge()


def unasked(handheld: Handheld, kind: str, record_id: str) -> None:
    """A slip that comes by itself with its record: the record never waits for it."""
    try:
        ask(handheld, kind, record_id)
    except problems.Problem as problem:
        log.error("no %s slip of %s: %s", kind, record_id, problem)  # noqa: TRY400 - no fault


def ticket(handheld: Handheld, stay_id: str) -> None:
    """The entry slip of a stay that begins."""
    unasked(handheld, "entry", stay_id)


def seen(handheld: Handheld, kind: str, record_id: str) -> None:
    """The attendant looked: the slip did come out."""
    copies = _copies(handheld, kind, record_id)
    if not copies:
        raise _none(kind)
    key, copy = copies[-1].key, copies[-1].copy
    try:
        with handheld.store.transaction():
            queue = handheld.store.print_queue
            job = queue.seen(key, copy, who=_who(handheld), now=device_time())
            _record(handheld, job, "confirmed")
    except SlipStateError:
        raise _none(kind) from None
    handheld.nudge()


def hand_off(handheld: Handheld, kind: str, record_id: str) -> str | None:
    """The link that hands the slip to RawBT. It is given once, or two originals would come out."""
    copies = _copies(handheld, kind, record_id)
    if not copies or not _may_be_printed(handheld, kind, record_id):
        return None
    link = handheld.hand_offs.pop(copies[-1].id, None)
    handheld.bell.ring()
    return link


def _none(kind: str) -> problems.Problem:
    return problems.NoReceipt() if kind == paperwork.RECEIPT else problems.NoSlip()


def _who(handheld: Handheld) -> str:
    shift = handheld.store.shift()
    return shift.attendant if shift else ""


def _may_be_printed(handheld: Handheld, kind: str, record_id: str) -> bool:
    try:
        return paperwork.document(handheld, kind, record_id, _how(handheld)) is not None
    except (PrinterError, ReceiptFactsError):
        return True  # asked for, it says that it cannot be laid out


def _copies(handheld: Handheld, kind: str, record_id: str) -> list[Job]:
    number = paperwork.number(handheld, kind, record_id)
    return handheld.store.print_queue.copies(number) if number else []


def status(handheld: Handheld, kind: str, record_id: str) -> dict[str, Any]:
    """How a slip stands, and what a person may do about it. Raises NotFound for no record."""
    jobs = _copies(handheld, kind, record_id)
    exists = _may_be_printed(handheld, kind, record_id)
    last = jobs[-1] if jobs else None
    to_open = exists and last is not None and last.id in handheld.hand_offs
    if to_open:
        keys = ["print-hand-off"]
    elif last is not None:
        keys = [f"print-{last.state}", *([f"printer-{last.reason}"] if last.reason else [])]
    else:
        keys = ["print-none" if exists else "print-waiting-receipt"]
    return {
        "state": last.state.value if last else "NONE",
        "number": paperwork.number(handheld, kind, record_id) or None,
        "copy": last.copy if last else None,
        "reason": last.reason if last else None,
        "picture": _picture(last),
        "text_id": _words(keys, "id"),
        "text_en": _words(keys, "en"),
        "exists": exists,
        "may_print": exists
        and not to_open
        and (last is None or last.state is not JobState.SENDING),
        "to_open": to_open,
        "may_confirm": last is not None and last.state is JobState.UNCERTAIN and not to_open,
        "next_is_copy": last is not None and last.state in (JobState.PRINTED, JobState.UNCERTAIN),
        "jobs": [
            {"copy": job.copy, "state": job.state.value, "reason": job.reason} for job in jobs
        ],
    }


def _picture(last: Job | None) -> str:
    """The icon of how a slip stands."""
    if last is None or not last.reason:
        return "printer"
    return PICTURES.get(last.reason, "printer-fault")


def _words(keys: list[str], language: str) -> str:
    """The cause first: it is what the attendant can do something about."""
    return ". ".join(messages.text(key, language) for key in reversed(keys))


def printer_status(handheld: Handheld) -> dict[str, str]:
    key = f"printer-{handheld.printer_state}"
    return {
        "state": handheld.printer_state,
        "text_id": messages.text(key, "id"),
        "text_en": messages.text(key, "en"),
    }
