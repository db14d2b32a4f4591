"""T28: who asks for what is not theirs: routes beyond their role, and what belongs to another.

Over the server's own HTTP, as nobody, as every role, as handhelds on shift and as programs with
keys. An attendant may work any spot; what was taken, asked or counted by one is no other's.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import update

from server import access
from server.app import create_interface
from server.database import new_id
from server.identity import api_keys, units
from server.identity import service as identity
from server.identity.api_keys import Scope
from server.identity.models import ROOT, Officer, Role
from server.identity.units import Draft
from tests.faults import own_acts
from tests.faults.handheld_stage import PIN, officers
from tests.faults.own_acts import Act
from tests.faults.stage import Stage
from tests.server.asking import ELSEWHERE, FORM, OF_A_UNIT, about, as_told, ask, asker, at
from tests.server.handhelds import Handheld, approved, nonce_for

PASSWORD = "kata sandi uji peran"
ASKED_AT_ONCE = 8
BEYOND = "let in beyond their rights"
OTHERS = "let in to what is another's"
REFUSED = {403, 404, 422}
"""What is of another unit is not there; a photo that is none is refused before."""
DECIDES = re.compile("/decisions?$|^/office/complaints/.*/answer$")
"""The routes on which one officer decides what another proposed."""
Clients = dict[Role | None, httpx.AsyncClient]
"""As nobody, and as an officer of each role."""


async def ask_for_more(stage: Stage) -> None:
    """T28."""
    if not stage.is_ours:
        await _refunded_to_anybody(stage)
        return
    async with _everybody(stage) as clients:
        await _matrix(stage, clients)
        for kind in KINDS:
            await kind(stage, clients)
            stage.tally.fired[kind.__name__.strip("_").replace("_", " ")] += 1


@asynccontextmanager
async def _everybody(stage: Stage) -> AsyncIterator[Clients]:
    clients: Clients = {None: _client(stage)}
    try:
        for role in Role:
            clients[role] = await _signed_in(stage, role)
        yield clients
    finally:
        for client in clients.values():
            await client.aclose()


async def _refunded_to_anybody(stage: Stage) -> None:
    """The control asks nobody who they are."""
    await stage.kerb(until=lambda: len(stage.asked) >= 4, drivers=2)
    await stage.settle()
    for reference, amount_rp in await stage.rows("SELECT reference, amount_rp FROM posted"):
        path = f"/v1/charges/{reference}/refunds"
        answer = await stage.http.post(path, json={"amount_rp": amount_rp}, timeout=60)
        stage.tally.runs += 1
        stage.tally.fired["refund asked for by nobody"] += 1
        if answer.is_success:
            stage.tally.violate(BEYOND, path)


def _client(stage: Stage) -> httpx.AsyncClient:
    # A connection for each request: one that is kept may be let go just as it is used again.
    return httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{stage.port}",
        timeout=60,
        trust_env=False,
        limits=httpx.Limits(max_keepalive_connections=0),
    )


async def _signed_in(stage: Stage, role: Role, unit: str = "") -> httpx.AsyncClient:
    """An officer of the whole regency, or of a unit with nothing in it."""
    login = f"uji-{unit}{role}"
    async with officers(stage) as transactions, transactions.begin() as db:
        await identity.add_officer(db, login=login, name="Uji", role=role, password=PASSWORD)
        if unit:
            unit_id = await units.add(db, ROOT, Draft(unit.upper(), "Unit uji"))
            await db.execute(update(Officer).where(Officer.login == login).values(unit_id=unit_id))
    client = _client(stage)
    entered = {"login": login, "password": PASSWORD}
    answer = await client.post("/office/sign-in", data=entered)
    if answer.status_code != 303:
        stage.tally.violate("harness dead: not signed in", answer.text)
    # As if the password had been shown once more just now: tries of it are limited.
    await stage.rows(
        """UPDATE officer_sign_ins SET confirmed_at = $1
            WHERE officer_id = (SELECT id FROM officers WHERE login = $2)""",
        datetime.now(UTC),
        login,
    )
    return client


async def _matrix(stage: Stage, clients: Clients) -> None:
    """Every route as nobody and as every role: as the table of rights says, and no further."""
    room = asyncio.Semaphore(ASKED_AT_ONCE)

    async def one(rule: access.Rule, role: Role | None, client: httpx.AsyncClient) -> None:
        async with room:
            status, slug = await ask(client, rule)
        stage.tally.runs += 1
        stage.tally.fired["a route asked as nobody" if role is None else "a route by a role"] += 1
        if status == 500:
            stage.tally.violate("a route broke", f"{rule.method} {rule.path}: {status}")
        if not as_told(rule, role, status, slug):
            stage.tally.violate(BEYOND, f"{role} {rule.method} {rule.path}: {status} {slug}")

    asked = [
        one(rule, role, client)
        for rule in access.rules(create_interface())
        for role, client in clients.items()
        if role is None or not rule.public
    ]
    stage.rng.shuffle(asked)
    await asyncio.gather(*asked)


async def _expect(stage: Stage, what: str, asked: Awaitable[httpx.Response], *wanted: str) -> None:
    """That what belongs to another is refused in these words."""
    answer = await asked
    stage.tally.runs += 1
    told = "problem" in answer.headers.get("content-type", "")
    slug = answer.json()["slug"] if told else f"HTTP {answer.status_code}"
    if slug not in wanted:
        stage.tally.violate(OTHERS, f"{what}: {slug}")


# Handhelds


async def _on_shift(stage: Stage, attendant: str) -> tuple[Handheld, str]:
    """A handheld of its own with an attendant of its own on shift, and the shift's id."""
    async with officers(stage) as transactions:
        async with transactions.begin() as db:
            await identity.add_attendant(db, code=attendant, name="Uji", pin=PIN)
        handheld = await approved(transactions)
    body = handheld.shift_request(await nonce_for(stage.http, handheld), attendant=attendant)
    answer = await stage.http.post("/v1/shifts", json=body, timeout=60)
    handheld.token = answer.json()["token"]
    return handheld, body["id"]


async def _of_another_device(stage: Stage, _clients: Clients) -> None:
    """What one attendant asked for, holds and counted, asked by another with a good shift."""
    mine, shift = await _on_shift(stage, "JP-U1")
    other, _ = await _on_shift(stage, "JP-U2")
    post = stage.http.post
    charge_id = stage.new_id()
    stage.asked.add(charge_id)
    wanted = {"id": str(charge_id), "vehicle_class": "motorcycle"}
    asked = await post(f"/v1/spots/{stage.spots[0]}/charges", json=wanted, auth=mine.signed)
    if asked.status_code != 201:
        stage.tally.violate("harness dead: no charge", asked.text)
    cancel = {"reason": "wrong_vehicle"}
    count = {"seq": 1, "counted_rp": 0, "shown_rp": 0}
    device, path = f"/v1/devices/{mine.device_id}", f"/v1/charges/{charge_id}/cancel"
    tries: tuple[tuple[str, str, dict[str, Any], str], ...] = (
        ("a charge cancelled", path, cancel, "charge-of-another"),
        ("a shift closed", f"{device}/shifts/{shift}/close", count, "signature-refused"),
        ("a shift closed as one's own", f"/v1/devices/{other.device_id}/shifts/{shift}/close",
         count, "shift-not-found"),
        ("a device erased", f"{device}/wiped", {}, "signature-refused"),
        ("a device reported for", f"{device}/report", {}, "signature-refused"),
    )  # fmt: skip
    for what, where, body, slug in tries:
        await _expect(stage, what, post(where, json=body, auth=other.signed), slug)
    stolen = other.shift_request(await nonce_for(stage.http, mine), attendant="JP-U1")
    await _expect(stage, "a shift by another's nonce", post("/v1/shifts", json=stolen),
                  "device-not-active")  # fmt: skip
    closed = "SELECT 1 FROM shift_closings WHERE shift_id = $1"
    if await stage.rows(closed, UUID(shift)):
        stage.tally.violate(OTHERS, "a shift was closed")
    await _expect(stage, "a charge cancelled without a shift", post(path, json=cancel),
                  "not-signed-in")  # fmt: skip


# Programs with keys


async def _of_another_key(stage: Stage, _clients: Clients) -> None:
    """What one integrator has, asked for with the key of another; and more than a key reads."""
    mine = await _key(stage, "Portal kota", Scope.WEBHOOKS_WRITE, Scope.CHARGES_READ)
    other = await _key(stage, "Peneliti", Scope.WEBHOOKS_WRITE)
    body = {"id": str(new_id()), "url": "https://pemda.example/x", "types": ["charge.paid"]}
    added = await stage.http.post("/v1/webhooks", json=body, headers=mine)
    if added.status_code != 201:
        stage.tally.violate("harness dead: no webhook", added.text)
    where = f"/v1/webhooks/{body['id']}"
    since = {"since": datetime.now(UTC).isoformat()}
    for method, path, more in (
        ("GET", "", {}), ("GET", "/deliveries", {}), ("POST", "/rotate", {}),
        ("POST", "/disable", {}), ("POST", "/enable", {}), ("POST", "/replay", since),
    ):  # fmt: skip
        asked = stage.http.request(method, where + path, json=more or None, headers=other)
        await _expect(stage, f"a webhook's {method} {path}", asked, "webhook-not-found")
    greedy = {**body, "id": str(new_id())}
    await _expect(stage, "told more than a key may read",
                  stage.http.post("/v1/webhooks", json=greedy, headers=other),
                  "scope-missing")  # fmt: skip
    for path in ("/v1/charges", "/v1/receipts", "/v1/ledger/balances"):
        asked = stage.http.get(path, headers=other)
        await _expect(stage, f"{path} without its scope", asked, "scope-missing")
    left = await stage.rows(
        "SELECT disabled_at FROM webhook_subscriptions WHERE id = $1", UUID(body["id"])
    )
    if [row[0] for row in left] != [None]:
        stage.tally.violate(OTHERS, "a webhook was changed")


async def _key(stage: Stage, name: str, *scopes: Scope) -> dict[str, str]:
    async with officers(stage) as transactions, transactions.begin() as db:
        issued = await api_keys.issue(db, name, scopes, created_by="uji", now=datetime.now(UTC))
    return {"Authorization": f"Bearer {issued.key}"}


# Officers


async def _of_another_unit(stage: Stage, _clients: Clients) -> None:
    """Each thing there is, asked for by officers of units that have none of them."""
    now, spot = datetime.now(UTC), "(SELECT id FROM spots ORDER BY code LIMIT 1)"
    await stage.rows(
        f"""INSERT INTO complaints (id, number, kind, spot_id, owner, opened_at, due_on, state)
            VALUES ($1, 'P-UJI', 'overcharged', {spot}, 'uji', $2, '2026-01-01', 'open')""",
        new_id(),
        now,
    )
    await stage.rows(
        f"""INSERT INTO sign_cases (id, spot_id, fault, owner, opened_at)
            VALUES ($1, {spot}, 'missing', 'uji', $2)""",
        new_id(),
        now,
    )
    await stage.rows(
        f"""INSERT INTO closures
            (id, zone_id, spot_id, starts_at, reason, note, closed_by, closed_at)
            SELECT $1, zone_id, id, $2, 'works', '', (SELECT id FROM officers LIMIT 1), $3
            FROM spots WHERE id = {spot}""",
        new_id(),
        now + timedelta(days=365),
        now,
    )
    elsewhere = await _signed_in(stage, Role.BENDAHARA, "lain-")
    rules = [rule for rule in access.rules(create_interface()) if about(rule)]
    asked = 0
    try:
        for role in ELSEWHERE:
            await stage.rows("UPDATE officers SET role = $1 WHERE login LIKE 'uji-lain-%'", role)
            for rule in rules:
                if asker(rule) == role:
                    asked += await _not_there(stage, elsewhere, rule)
            if role == Role.VERIFIKATOR:
                for (attendant,) in await stage.rows("SELECT id FROM attendants"):
                    form = FORM | {"attendant": str(attendant)}
                    decided = elsewhere.post("/office/attendants/decisions", data=form)
                    await _expect(stage, "an attendant decided on", decided, "attendant-not-found")
    finally:
        await elsewhere.aclose()
    if asked < len(OF_A_UNIT):
        stage.tally.violate("harness dead: nothing of another unit", str(asked))


async def _not_there(stage: Stage, elsewhere: httpx.AsyncClient, rule: access.Rule) -> int:
    """Of what a route is about, the first: how many were asked for, and refused."""
    path = about(rule) or ""
    found = (await stage.rows(OF_A_UNIT[path]))[:3]
    for values in found:
        where = at(rule, path, values)
        answer = await elsewhere.request(
            rule.method, where, data=FORM if rule.method == "POST" else None
        )
        stage.tally.runs += 1
        if answer.status_code not in REFUSED:
            stage.tally.violate(OTHERS, f"{rule.method} {where}: {answer.status_code}")
    return len(found)


async def _of_another_officer(stage: Stage, clients: Clients) -> None:
    maker, checker = clients[Role.BENDAHARA], clients[Role.VERIFIKATOR]
    of_other = """SELECT s.id FROM officer_sign_ins s JOIN officers o ON o.id = officer_id
        WHERE login = $1"""
    [[sign_in]] = await stage.rows(of_other, f"uji-{Role.VERIFIKATOR}")
    await _expect(stage, "another's sign-in ended",
                  maker.post(f"/office/account/sign-ins/{sign_in}/end"),
                  "sign-in-not-found")  # fmt: skip
    if (await checker.get("/office/account")).status_code != 200:
        stage.tally.violate(OTHERS, "a sign-in was ended")


async def _of_two(stage: Stage, _clients: Clients) -> None:
    """Each act of two officers, decided by who proposed it and by whoever may not decide.

    On a stage of its own, whose books are not judged: some proposals' rows are written by hand.
    """
    apart = Stage(stage.cluster, stage.subject, stage.folder.parent / "two", "T28 two")
    apart.tally = stage.tally
    async with apart.standing(), _everybody(apart) as clients:
        await _on_shift(apart, "JP-U1")
        await _tried(apart, clients)


async def _tried(stage: Stage, clients: Clients) -> None:
    maker, login = clients[Role.BENDAHARA], f"uji-{Role.BENDAHARA}"
    refund_id = await _refund_asked(stage, maker)
    acts = await own_acts.proposed(stage, login)
    acts.append(Act("refunds", f"/office/refunds/{refund_id}/decision", "same-person"))
    await stage.settle()
    before = await _written(stage, acts)
    decisions = [rule for rule in access.rules(create_interface()) if DECIDES.search(rule.path)]
    for act in acts:
        await _without_the_right(stage, clients, act, decisions)
    # Proposed as one role, decided as another.
    await stage.rows("UPDATE officers SET role = $1 WHERE login = $2", Role.VERIFIKATOR, login)
    for act in acts:
        decided = maker.post(act.where, data={"why": "uji", **act.form})
        await _expect(stage, f"one's own decided: {act.what}", decided, act.refused)
        stage.tally.fired["an act of two tried by one"] += 1
    there_is = {what for [what] in await stage.rows(own_acts.WHAT_THERE_IS)}
    untried = there_is - own_acts.WITHOUT_STEPS - {act.what for act in acts}
    untried |= {r.path for r in decisions if not any(_is_at(r, act.where) for act in acts)}
    for what in untried:
        stage.tally.violate("an act of two was not tried", what)
    after = await _written(stage, acts)
    for table in before:
        if after[table] != before[table]:
            stage.tally.violate(OTHERS, f"{table} was changed")


async def _written(stage: Stage, acts: Sequence[Act]) -> dict[str, list[str]]:
    """What stands of these acts, and in the ledger."""
    tables = {act.what.split()[0] for act in acts} | {"payee_accounts", "ledger_entries"}
    asked = "SELECT t::text FROM {} t ORDER BY 1"
    return {table: [row[0] for row in await stage.rows(asked.format(table))] for table in tables}


async def _without_the_right(
    stage: Stage, clients: Clients, act: Act, decisions: Sequence[access.Rule]
) -> None:
    """An act that really waits, by nobody and by every role that may not decide it."""
    [rule] = [rule for rule in decisions if _is_at(rule, act.where)]
    for role, client in clients.items():
        if role is None or not rule.lets_in(role):
            refused = "not-signed-in" if role is None else "role-not-allowed"
            decided = client.post(act.where, data={"why": "uji", **act.form})
            await _expect(stage, f"decided by {role}: {act.what}", decided, refused)
            stage.tally.fired["an act of two tried without the right"] += 1


def _is_at(rule: access.Rule, where: str) -> bool:
    return re.fullmatch(re.sub(r"{\w+}", "[^/]+", rule.path), where) is not None


async def _refund_asked(stage: Stage, maker: httpx.AsyncClient) -> UUID:
    enough = len(stage.asked) + 2
    await stage.kerb(until=lambda: len(stage.asked) >= enough, drivers=1)
    await stage.settle()
    [[charge_id, money_id, amount_rp]] = await stage.rows(
        "SELECT charge_id, id, amount_rp FROM money WHERE flag = 'exact' LIMIT 1"
    )
    refund_id = new_id()
    answer = await maker.post(
        f"/office/charges/{charge_id}/refunds",
        data={
            "id": str(refund_id), "money_id": str(money_id), "amount_rp": amount_rp,
            "reason": "other", "explanation": "uji", "method": "acquirer",
        },
    )  # fmt: skip
    if answer.status_code != 303:
        stage.tally.violate("harness dead: no refund", answer.text)
    return refund_id


KINDS = (_of_another_device, _of_another_key, _of_another_unit, _of_another_officer, _of_two)
