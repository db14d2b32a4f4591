"""One proof, two handhelds: one is first, the other is told who, and events of both are a case."""

import asyncio

import pytest

from domain.payment import CaseOutcome
from server import sample
from server.casework.service import OutcomeUnfit
from server.identity import service as identity
from server.payments import proposals
from tests.server.handhelds import on_shift
from tests.server.payments.conftest import violations
from tests.server.payments.test_invariants import as_superuser

CASES = "SELECT id, kind, owner, amount_rp, state FROM cases WHERE kind = 'proof-taken-twice'"


@pytest.fixture
async def paid(office):
    charge_id = await office.request()
    await office.tell(charge_id)
    return charge_id


@pytest.fixture
async def two(api, transactions, now):
    return [await on_shift(api, transactions, now) for _ in range(2)]


async def proof_of(api, charge_id):
    text: str = (await api.get(f"/v1/charges/{charge_id}")).json()["proof"]
    return text


async def take(api, handheld, text, take=True):
    body = {"text": text, "take": take}
    answer = await api.post("/v1/barcodes/resolve", json=body, auth=handheld.signed)
    assert answer.status_code == 200, answer.text
    assert answer.json()["kind"] == "charge"
    return answer.json()["taken"]


def taken(handheld, charge_id, **body):
    return handheld.event("proof_taken", body={"charge_id": str(charge_id), **body})


async def push(api, handheld, *events):
    answer = await api.post("/v1/sync", json={"events": events}, auth=handheld.signed)
    assert answer.status_code == 200, answer.text
    return [result["outcome"] for result in answer.json()["results"]]


async def test_of_two_that_ask_at_once_one_is_first_and_the_other_hears_who(office, api, paid, two):
    text = await proof_of(api, paid)
    told = await asyncio.gather(*(take(api, handheld, text) for handheld in two))
    first, second = told if told[0] is None else told[::-1]
    assert first is None
    assert (second["spot"], second["attendant"]) == ("PSR-001-U", "Juru Parkir Contoh")
    winner, loser = two if told[0] is None else two[::-1]
    assert await take(api, winner, text) is None, "asked again by who has it"
    assert (await take(api, loser, text)) == second
    assert await push(api, winner, taken(winner, paid)) == ["accepted"]
    assert await office.rows(CASES) == []


async def test_looking_takes_nothing(office, api, paid, two):
    text = await proof_of(api, paid)
    assert await take(api, two[0], text, take=False) is None
    assert await take(api, two[1], text) is None
    assert await office.count("proof_claims") == 1


async def test_what_was_taken_offline_is_told_once_it_is_here(office, api, paid, two, now):
    event = taken(two[0], paid)
    assert await push(api, two[0], event) == ["accepted"]
    told = await take(api, two[1], await proof_of(api, paid))
    assert told["at"] is not None
    assert await office.count("proof_claims") == 0


async def test_two_that_could_not_ask_are_one_case(office, api, paid, two, database_url):
    events = [taken(handheld, paid) for handheld in two]
    sent = zip(two, events, strict=True)
    outcomes = await asyncio.gather(*(push(api, handheld, event) for handheld, event in sent))
    assert outcomes == [["accepted"], ["accepted"]]
    assert await push(api, two[1], events[1], taken(two[1], paid)) == ["duplicate", "accepted"]
    (case,) = await office.rows(CASES)
    assert (case["state"], case["owner"]) == ("open", "bendahara penerimaan")
    assert case["amount_rp"] == 4_000
    assert await violations(database_url) == {}


async def test_batches_that_took_the_same_proofs_in_another_order_do_not_wait_for_each_other(
    office, api, two
):
    charges = []
    for number in range(6):
        charges.append(await office.request())
        await office.tell(charges[-1], rrn=f"62610000010{number}")
    batches = [
        [taken(two[0], charge_id) for charge_id in charges],
        [taken(two[1], charge_id) for charge_id in reversed(charges)],
    ]
    await asyncio.gather(*(push(api, h, *batch) for h, batch in zip(two, batches, strict=True)))
    assert len(await office.rows(CASES)) == 6


async def test_a_device_may_write_what_it_likes_and_it_is_kept(office, api, two):
    bodies = ({}, {"charge_id": 7}, {"charge_id": "x"}, {"charge_id": str(two[0].device_id)})
    events = [two[0].event("proof_taken", body=body) for body in bodies]
    assert await push(api, two[0], *events) == ["accepted"] * 4
    assert await office.rows(CASES) == []


async def test_two_officers_close_it_once_they_know(office, api, paid, two, now, database_url):
    for handheld in two:
        await push(api, handheld, taken(handheld, paid))
    (case,) = await office.rows(CASES)
    async with office.transactions.begin() as db:
        maker = await identity.officer_named(db, sample.OFFICER)
        with pytest.raises(OutcomeUnfit):
            await proposals.propose(
                db, maker, case["id"], CaseOutcome.RECOGNISED, "PSR", "uji", now=now
            )
    await office.clarify(case["id"], "dibayar tunai")
    assert (await office.rows(CASES))[0]["state"] == "closed"
    assert await push(api, two[0], taken(two[0], paid)) == ["accepted"]
    assert len(await office.rows(CASES)) == 1


async def test_a_case_that_is_missing_is_noticed(office, api, paid, two, database_url, owner_url):
    for handheld in two:
        await push(api, handheld, taken(handheld, paid))
    await as_superuser(owner_url, "CREATE TABLE kept AS TABLE cases", "DELETE FROM cases")
    found = await violations(database_url)
    assert found.pop("I8-audit"), "the audit log misses it too"
    assert found == {"I8-proof-taken-twice-has-a-case": [str(paid)]}
    await as_superuser(owner_url, "INSERT INTO cases TABLE kept")
