"""The background work: send what was recorded here, follow what is decided at the office.

Every request carries an id made here, so sending twice is harmless and giving up is never needed.
The server may be down, slow, restarted or half reachable: these loops outlive all of it.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Collection
from contextlib import aclosing, suppress
from datetime import datetime, timedelta

from attendant_app import (
    closing,
    device_report,
    earnings,
    inspector,
    journal,
    notices,
    offline,
    pool,
    problems,
    refund_wishes,
    server_api,
    service,
    shifts,
    stays,
)
from attendant_app.runtime import Handheld, device_time
from attendant_app.store import Outgoing, StoredEvent, Sync
from domain.device import DeviceState

log = logging.getLogger(__name__)

PULSE_S = 1.2
# Pulse and its timeout together stay under the three seconds in which a screen must say "offline".
REFRESH_S = 300.0
CLOSURES_S = 30.0
ASK_S = 60.0
IDLE_S = 5.0
AGAIN_S = 1.0
POLL_S = 2.0
LATE_MONEY = timedelta(minutes=30)
LATE_POLL_S = 15.0
WISHES_WATCHED = timedelta(days=14)
WATCHED_AT_ONCE = 20
PUSHED_AT_ONCE = 4
BATCH = 100
# A wallet's barcode lives about this long; afterwards its driver has left or paid otherwise.
CONSUMER_LIFETIME = timedelta(minutes=1)
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
NOT_ACTIVE = {
    "device-pending": DeviceState.PENDING,
    "device-suspended": DeviceState.SUSPENDED,
    "device-revoked": DeviceState.REVOKED,
    "device-not-active": "unknown",
    "device-not-found": "unknown",
}
"""The office's refusals that say what this device is there."""


def pause_s(tries: int) -> float:
    """Exponential with full jitter, so that 300 handhelds do not come back in one moment."""
    ceiling = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(tries, 10))
    return ceiling * random.uniform(0.5, 1)  # noqa: S311 - spreading load, not a secret


async def run(handheld: Handheld) -> None:
    """All loops, until cancelled."""
    async with asyncio.TaskGroup() as group:
        for loop in (
            _pulse,
            _ask_office,
            _push,
            _watch,
            _watch_late_money,
            _watch_wishes,
            _refresh,
            _follow_closures,
            earnings.follow,
            stays.follow,
            _fill_pool,
        ):
            group.create_task(_keep_going(handheld, loop), name=loop.__name__)


async def _keep_going(handheld: Handheld, loop: Callable[[Handheld], Awaitable[None]]) -> None:
    """A fault in one round (a full disk, a surprise in an answer) costs that round only."""
    while True:
        try:
            await loop(handheld)
        except Exception:
            log.exception("background work failed, going on: %s", getattr(loop, "__name__", ""))
            await asyncio.sleep(1)


# The link


async def _pulse(handheld: Handheld) -> None:
    while True:
        asked = time.monotonic()
        server_time = await server_api.is_alive(handheld.http)
        answered = server_time is not None
        handheld.signals.note((time.monotonic() - asked) * 1000 if answered else None)
        handheld.link.learn_time(server_time)
        # Before the screens are told: what they show next is how long there is left.
        (offline.heard if answered else offline.note)(handheld)
        _set_online(handheld, answered)
        await asyncio.sleep(PULSE_S * random.uniform(0.8, 1.2))  # noqa: S311 - spreading load


def _set_online(handheld: Handheld, online: bool) -> None:
    if handheld.link.online == online:
        return
    handheld.link.online = online
    if online:
        handheld.store.retry_all_now(device_time())
    handheld.nudge()


async def _ask_office(handheld: Handheld) -> None:
    """Whether this device may work; asked often while it may not."""
    while True:
        device = handheld.store.device()
        answered = False
        if handheld.link.online and device is not None:
            answered = await _ask_state(handheld, device.device_id)
        settled = answered and handheld.link.state == DeviceState.ACTIVE
        await asyncio.sleep(ASK_S if settled else IDLE_S)


async def _ask_state(handheld: Handheld, device_id: str) -> bool:
    try:
        orders = await device_report.send(handheld, device_id)
    except server_api.NoAnswer:
        return False
    except server_api.Refusal as refusal:
        _learn_from(handheld, refusal)
        return False
    _set_state(handheld, str(orders.get("state")))
    if orders.get("stopped"):
        _note_stopped(handheld, str(orders["stopped"]))
    if orders.get("wipe") is True:
        with suppress(problems.Problem):  # told again at its next report, it tries again
            await shifts.wipe(handheld, device_id)
        return False
    return True


def _set_state(handheld: Handheld, state: str) -> None:
    if handheld.link.state != state:
        handheld.link.state = state
        handheld.store.retry_all_now(device_time())
        handheld.nudge()


async def _refresh(handheld: Handheld) -> None:
    """Enrol where a code was given, then keep spots and tariffs up to date."""
    while True:
        heard = handheld.bell.rings
        fresh = False
        if handheld.link.online:
            await _enrol_by_settings(handheld)
            fresh = await _pull_master_data(handheld)
            await inspector.refresh(handheld)
        if fresh:
            await asyncio.sleep(REFRESH_S)
        else:
            # Back online or signed in: either rings, and either is a reason to ask again.
            await handheld.bell.wait(heard, IDLE_S)


async def _enrol_by_settings(handheld: Handheld) -> None:
    code = handheld.settings.enrolment_code
    if code and handheld.store.device() is None:
        try:
            await shifts.enrol(handheld, code)
        except problems.Problem as problem:
            log.warning("not enrolled: %s %s", problem.slug, problem.detail)
            await asyncio.sleep(IDLE_S)


async def _pull_master_data(handheld: Handheld) -> bool:
    shift = handheld.store.shift()
    if shift is None or shift.token is None:
        return False
    try:
        answer = await server_api.call(handheld.http, "GET", "/v1/masterdata", token=shift.token)
    except server_api.NoAnswer:
        return False
    except server_api.Refusal as refusal:
        _learn_from(handheld, refusal)
        return False
    _set_state(handheld, DeviceState.ACTIVE)
    news = answer.body != handheld.store.master_data()
    handheld.store.save_master_data(answer.body, handheld.office_time())
    if news:
        handheld.nudge()
    return True


async def _follow_closures(handheld: Handheld) -> None:
    """A street that is stopped at once is known here within half a minute."""
    while True:
        heard = handheld.bell.rings
        if handheld.link.online and await _pull_closures(handheld):
            await asyncio.sleep(CLOSURES_S * random.uniform(0.8, 1.2))  # noqa: S311 - spreading load
        else:
            await handheld.bell.wait(heard, IDLE_S)


async def _pull_closures(handheld: Handheld) -> bool:
    shift = handheld.store.shift()
    if shift is None or shift.token is None:
        return False
    try:
        answer = await server_api.call(handheld.http, "GET", "/v1/closures", token=shift.token)
    except server_api.NoAnswer:
        return False
    except server_api.Refusal as refusal:
        _learn_from(handheld, refusal)
        return False
    if handheld.store.save_closures(answer.body.get("closures") or []):
        handheld.nudge()
    return True


def _learn_from(handheld: Handheld, refusal: server_api.Refusal) -> None:
    """What a refusal of any call says about this device or this shift."""
    shift = handheld.store.shift()
    if refusal.slug in NOT_ACTIVE:
        _set_state(handheld, NOT_ACTIVE[refusal.slug])
    elif refusal.slug == problems.AttendantStopped.slug and shift is not None:
        _note_stopped(handheld, shift.attendant)
    elif refusal.status == 401 and shift is not None and shift.token is not None:
        handheld.store.forget_token(shift.id)
        handheld.bell.ring()


def _note_stopped(handheld: Handheld, attendant: str) -> None:
    """Kept on the disk: it holds without a connection too. The next master data may take it back"""
    if not handheld.store.is_stopped(attendant):
        handheld.store.note_stopped(attendant)
        handheld.nudge()


async def _fill_pool(handheld: Handheld) -> None:
    """Keep barcodes for when the server cannot be asked; whatever hinders it, it tries again."""
    while True:
        heard = handheld.bell.rings
        if handheld.link.online:
            try:
                await pool.fill(handheld)
            except server_api.NoAnswer:
                pass
            except server_api.Refusal as refusal:
                _learn_from(handheld, refusal)
                await asyncio.sleep(IDLE_S)
        await handheld.bell.wait(heard, IDLE_S)


# Sending


async def _push(handheld: Handheld) -> None:
    while True:
        handheld.work.clear()
        if handheld.link.online:
            try:
                await _push_requests(handheld)
                await stays.send(handheld)
            except Exception:
                # A full disk takes no answer in, yet what was recorded on it still goes out.
                await _push_events(handheld)
                raise
            await _push_events(handheld)
            await _push_photos(handheld)
            await closing.send(handheld)
        # What comes up anew sets `work`: no device is woken each second to find nothing to do.
        rest_s = AGAIN_S if handheld.link.online and _is_left(handheld) else IDLE_S
        with suppress(TimeoutError):
            async with asyncio.timeout(rest_s):
                await handheld.work.wait()


def _is_left(handheld: Handheld) -> bool:
    return handheld.store.unsynced()[0] > 0 or closing.waiting(handheld) is not None


async def _push_requests(handheld: Handheld) -> None:
    shift = handheld.store.shift()
    if shift is None or shift.token is None:
        return
    due = handheld.store.outgoing_due(device_time())
    gate = asyncio.Semaphore(PUSHED_AT_ONCE)

    async def push(outgoing: Outgoing, token: str) -> None:
        async with gate:
            await _push_request(handheld, outgoing, token)

    async with asyncio.TaskGroup() as group:
        for outgoing in due:
            group.create_task(push(outgoing, shift.token))


async def _push_request(handheld: Handheld, outgoing: Outgoing, token: str) -> None:
    store = handheld.store
    try:
        answer = await _deliver(handheld, outgoing, token)
        handheld.link.learn_time(answer.server_time)
        service.keep_answer(handheld, outgoing.charge_id, answer.body)
        store.remove_outgoing(outgoing.id)
    except server_api.NoAnswer as no_answer:
        pause = max(pause_s(outgoing.tries), no_answer.retry_after_s)
        store.retry_at(outgoing.id, device_time() + timedelta(seconds=pause), str(no_answer))
    except server_api.Refusal as refusal:
        _learn_from(handheld, refusal)
        if refusal.is_of_who_asked:
            pause = pause_s(outgoing.tries)
            store.retry_at(outgoing.id, device_time() + timedelta(seconds=pause), str(refusal))
            return
        words = server_api.refused_by_server(refusal.problem).body()
        with store.transaction():
            store.save_refusal(outgoing.charge_id, words, device_time())
    handheld.bell.ring()


async def _deliver(handheld: Handheld, outgoing: Outgoing, token: str) -> server_api.Answer:
    """Send it; of a driver's barcode past its time, only ask whether it had arrived."""
    made_at, body = datetime.fromisoformat(outgoing.made_at), outgoing.body
    # Until then no screen has shown a voucher as taken, and its refusal is no case of the office.
    if "voucher" in body and device_time() - made_at < timedelta(seconds=service.BARCODE_WAIT_S):
        body = {name: value for name, value in body.items() if name != "taken_at"}
    # Made in the future: this device's clock went back since, by who knows how much.
    is_fresh = timedelta() <= device_time() - made_at <= CONSUMER_LIFETIME
    if "consumer_qr" in outgoing.body and not is_fresh:
        path = f"/v1/charges/{outgoing.charge_id}"
        return await server_api.call(handheld.http, "GET", path, token=token)
    return await server_api.call(handheld.http, "POST", outgoing.path, token=token, body=body)


async def _push_events(handheld: Handheld) -> None:
    """Batches, until none waits or the server stops taking them."""
    while batch := handheld.store.events_waiting(BATCH):
        shift = handheld.store.shift()
        try:
            answer = await server_api.call(
                handheld.http,
                "POST",
                "/v1/sync",
                token=shift.token if shift else None,
                body={"events": [journal.as_sent(event) for event in batch]},
            )
        except server_api.NoAnswer:
            return
        except server_api.Refusal as refusal:
            # A refusal of the whole batch says nothing about any one event: keep them waiting.
            _learn_from(handheld, refusal)
            return
        if not _settle_events(handheld, batch, answer.body):
            return


async def _push_photos(handheld: Handheld) -> None:
    """One after another, each only after the notice that holds its hash."""
    while (waiting := notices.next_photo(handheld)) is not None:
        try:
            await server_api.call(
                handheld.http,
                "PUT",
                f"/v1/notices/{waiting.notice_id}/photos/{waiting.sha256}",
                token=_token(handheld),
                jpeg=waiting.jpeg,
            )
            notices.photo_taken(handheld, waiting)
        except server_api.NoAnswer:
            return
        except server_api.Refusal as refusal:
            _learn_from(handheld, refusal)
            if refusal.is_of_who_asked:
                return
            notices.photo_refused(handheld, waiting, refusal.slug)


def _settle_events(handheld: Handheld, batch: list[StoredEvent], body: dict[str, object]) -> bool:
    """Note each event's outcome; False where the answer settled none of those sent."""
    sent = {event.seq for event in batch}
    results = body.get("results")
    settled = 0
    with handheld.store.transaction():
        for result in results if isinstance(results, list) else []:
            if not isinstance(result, dict) or result.get("seq") not in sent:
                continue
            refused = result.get("outcome") == "quarantined"
            if refused or result.get("outcome") in ("accepted", "duplicate"):
                outcome = "quarantined" if refused else "accepted"
                reason = str(result["reason"]) if result.get("reason") else None
                handheld.store.settle_event(result["seq"], outcome, reason)
                settled += 1
    handheld.bell.ring()
    return settled > 0


# Following


async def _watch(handheld: Handheld) -> None:
    """One watcher a charge the driver may still pay, the newest first."""
    watchers: dict[str, asyncio.Task[None]] = {}
    online = False
    try:
        while True:
            heard = handheld.bell.rings
            if handheld.link.online and not online:
                # The way that was gone may have taken the streams along without a word.
                await _stop(watchers.values())
            online = handheld.link.online
            newest = handheld.store.open_charges(WATCHED_AT_ONCE)
            wanted = [charge.id for charge in newest if charge.sync is Sync.SENT]
            over = [key for key, task in watchers.items() if key not in wanted or task.done()]
            await _stop([watchers.pop(key) for key in over])
            for charge_id in wanted:
                if charge_id not in watchers:
                    watchers[charge_id] = asyncio.create_task(_follow(handheld, charge_id))
            await handheld.bell.wait(heard, IDLE_S)
    finally:
        await _stop(watchers.values())


async def _stop(watchers: Collection[asyncio.Task[None]]) -> None:
    for task in watchers:
        task.cancel()
    await asyncio.gather(*watchers, return_exceptions=True)


async def _follow(handheld: Handheld, charge_id: str) -> None:
    """The stream while it lasts; one question and a pause whenever it ends or falls silent."""
    tries = 0
    while _is_open(handheld, charge_id):
        with suppress(server_api.NoAnswer, server_api.Refusal):
            await _follow_stream(handheld, charge_id)
        if not _is_open(handheld, charge_id):
            return
        try:
            await _poll(handheld, charge_id)
            tries = 0
        except (server_api.NoAnswer, server_api.Refusal):
            tries += 1
        await asyncio.sleep(min(POLL_S, pause_s(tries)))


async def _follow_stream(handheld: Handheld, charge_id: str) -> None:
    events = server_api.charge_events(handheld.http, charge_id, _token(handheld))
    async with aclosing(events):
        async for known in events:
            service.keep_answer(handheld, charge_id, known)
            if not _is_open(handheld, charge_id):
                return


async def _poll(handheld: Handheld, charge_id: str) -> None:
    answer = await server_api.call(
        handheld.http, "GET", f"/v1/charges/{charge_id}", token=_token(handheld)
    )
    handheld.link.learn_time(answer.server_time)
    service.keep_answer(handheld, charge_id, answer.body)


async def _watch_late_money(handheld: Handheld) -> None:
    """A wallet may have been paying when the code expired: look again for a while.

    And at open charges that are too many to be followed.
    """
    while True:
        older = handheld.store.open_charges()[WATCHED_AT_ONCE:]
        for charge in (*handheld.store.given_up_since(device_time() - LATE_MONEY), *older):
            if handheld.link.online:
                with suppress(server_api.NoAnswer, server_api.Refusal):
                    await _poll(handheld, charge.id)
        await asyncio.sleep(LATE_POLL_S)


async def _watch_wishes(handheld: Handheld) -> None:
    """Whether the office gives money back that a driver asked for here."""
    while True:
        if handheld.link.online:
            for charge_id in refund_wishes.undecided(handheld, device_time() - WISHES_WATCHED):
                with suppress(server_api.NoAnswer, server_api.Refusal):
                    await _poll(handheld, charge_id)
        await asyncio.sleep(REFRESH_S if handheld.link.online else IDLE_S)


def _is_open(handheld: Handheld, charge_id: str) -> bool:
    charge = handheld.store.charge(charge_id)
    return charge is not None and charge.is_open


def _token(handheld: Handheld) -> str | None:
    shift = handheld.store.shift()
    return shift.token if shift else None
