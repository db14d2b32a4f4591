"""Slips on their way to paper: one at a time, each state on disk before the act it names.

A slip is PRINTED by the printer's own acknowledgement or by the attendant's tap, never because its
bytes are gone. Once bytes may have left, a further attempt is a marked copy: never two originals.
"""

import asyncio
import logging
from datetime import datetime, timedelta
from typing import Any

from attendant_app import journal, messages, prices, problems, receipts, service
from attendant_app.runtime import Handheld, device_time
from attendant_app.store import Charge, PrintJob, PrintState
from domain.events import EventKind
from domain.receipt import ReceiptFacts, ReceiptFactsError
from printer.delivery import Outcome, Result, send
from printer.document import Document
from printer.errors import PrinterError
from printer.escpos import encode
from printer.profiles import profile
from printer.status import State
from printer.transports import from_url

log = logging.getLogger(__name__)

SEND_DEADLINE_S = 10.0
RETRY_PAUSES_S = (2, 5, 10, 30)
# After this the driver is gone: the slip waits for a tap instead of surprising the next one.
RETRY_FOR = timedelta(minutes=15)


async def run(handheld: Handheld) -> None:
    """Print what is queued, until cancelled."""
    while True:
        heard = handheld.bell.rings
        try:
            job = handheld.store.print_job_due(device_time())
            if job is not None:
                await _print(handheld, job)
                continue
        except Exception:
            log.exception("printing failed, going on")
            await asyncio.sleep(1)
        # A queued slip that waits out its pause is due within the idle time.
        await handheld.bell.wait(heard, 1.0)


async def _print(handheld: Handheld, job: PrintJob) -> None:
    store = handheld.store
    charge = store.charge(job.charge_id)
    assert charge is not None
    if charge.state != "paid":
        _set(handheld, job, PrintState.REFUSED, "not-paid")
        return
    try:
        slip = _slip(handheld, charge, job)
        kind = profile(handheld.settings.printer_profile)
        data = encode(slip, kind)
        transport = from_url(handheld.settings.printer_url)
    except (PrinterError, ReceiptFactsError) as error:
        log.error("receipt %s cannot be laid out: %s", job.receipt, error)  # noqa: TRY400 - no fault
        _set(handheld, job, PrintState.REFUSED, "unprintable")
        return
    _set(handheld, job, PrintState.SENDING, None)
    outcome = await asyncio.to_thread(send, data, transport, kind, deadline_s=SEND_DEADLINE_S)
    _settle(handheld, job, outcome)


def _slip(handheld: Handheld, charge: Charge, job: PrintJob) -> Document:
    return receipts.document(
        ReceiptFacts.from_json((charge.known or {}).get("receipt")),
        prices.zone_of(handheld.store.master_data()),
        copy=job.copy,
        reprinted_at=datetime.fromisoformat(job.asked_at) if job.copy else None,
    )


def _settle(handheld: Handheld, job: PrintJob, outcome: Outcome) -> None:
    handheld.printer_state = _said(outcome)
    now = device_time()
    if outcome.result is Result.PRINTED:
        _finish(handheld, job, PrintState.PRINTED, None, "printed")
    elif outcome.result is Result.UNCERTAIN:
        reason = outcome.state.value if outcome.state.blocks else "no-word"
        _finish(handheld, job, PrintState.UNCERTAIN, reason, "uncertain")
    elif now - datetime.fromisoformat(job.asked_at) > RETRY_FOR:
        _set(handheld, job, PrintState.REFUSED, handheld.printer_state)
    else:
        pause = RETRY_PAUSES_S[min(job.tries, len(RETRY_PAUSES_S) - 1)]
        again = now + timedelta(seconds=pause)
        _set(handheld, job, PrintState.QUEUED, handheld.printer_state, again)


def _said(outcome: Outcome) -> str:
    if outcome.result is Result.NOT_SENT:
        return "unreachable"
    if outcome.state is State.UNKNOWN and outcome.result is Result.PRINTED:
        return State.READY.value
    return outcome.state.value


def _set(
    handheld: Handheld,
    job: PrintJob,
    state: PrintState,
    reason: str | None,
    again: datetime | None = None,
) -> None:
    with handheld.store.transaction():
        handheld.store.set_print_state(job.id, state, reason, device_time(), again)
    handheld.bell.ring()


def _finish(
    handheld: Handheld, job: PrintJob, state: PrintState, reason: str | None, result: str
) -> None:
    """The end of an attempt, with the fact of it: the office counts slips, not only payments."""
    now = device_time()
    shift = handheld.store.shift()
    kind = EventKind.RECEIPT_REPRINTED if job.copy else EventKind.RECEIPT_PRINTED
    fact = {
        "charge_id": job.charge_id,
        "receipt": job.receipt,
        "copy": job.copy,
        "result": result,
        "shift_id": shift.id if shift else None,
    }
    with handheld.store.transaction():
        handheld.store.set_print_state(job.id, state, reason, now)
        journal.record(handheld.store, handheld.key, kind, fact, now)
    handheld.nudge()


# What a person may do about it


def reprint(handheld: Handheld, charge_id: str) -> None:
    """Print again: the very slip while nothing of it left, otherwise a marked copy."""
    charge = service.charge_or_problem(handheld, charge_id)
    receipt = (charge.known or {}).get("receipt")
    if charge.state != "paid" or not receipt:
        raise problems.NoReceipt
    now = device_time()
    with handheld.store.transaction():
        last = _last_job(handheld, charge_id)
        if last is None:
            # Nothing was printed here, yet somebody else may hold the original.
            first = 0 if charge.print_when_paid else 1
            handheld.store.add_print_job(charge_id, str(receipt["number"]), first, now)
        elif last.state in (PrintState.QUEUED, PrintState.REFUSED):
            handheld.store.queue_again(last.id, now)
        elif last.state is not PrintState.SENDING:
            handheld.store.add_print_job(charge_id, last.receipt, last.copy + 1, now)
    handheld.nudge()


def confirm(handheld: Handheld, charge_id: str) -> None:
    """The attendant looked: the slip did come out."""
    last = _last_job(handheld, charge_id)
    if last is None or last.state is not PrintState.UNCERTAIN:
        raise problems.NoReceipt
    _finish(handheld, last, PrintState.PRINTED, None, "confirmed")


def _last_job(handheld: Handheld, charge_id: str) -> PrintJob | None:
    jobs = handheld.store.print_jobs(charge_id)
    return jobs[-1] if jobs else None


def print_status(handheld: Handheld, charge_id: str) -> dict[str, Any]:
    charge = service.charge_or_problem(handheld, charge_id)
    jobs = handheld.store.print_jobs(charge_id)
    has_receipt = charge.state == "paid" and bool((charge.known or {}).get("receipt"))
    last = jobs[-1] if jobs else None
    if last is not None:
        keys = [f"print-{last.state}", *([f"printer-{last.reason}"] if last.reason else [])]
    else:
        keys = ["print-none" if has_receipt else "print-waiting-receipt"]
    return {
        "state": last.state.value if last else "NONE",
        "receipt": last.receipt if last else None,
        "copy": last.copy if last else None,
        "reason": last.reason if last else None,
        "text_id": _words(keys, "id"),
        "text_en": _words(keys, "en"),
        "may_print": has_receipt and (last is None or last.state is not PrintState.SENDING),
        "may_confirm": last is not None and last.state is PrintState.UNCERTAIN,
        "next_is_copy": last is not None
        and last.state in (PrintState.PRINTED, PrintState.UNCERTAIN),
        "jobs": [
            {"copy": job.copy, "state": job.state.value, "reason": job.reason} for job in jobs
        ],
    }


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
