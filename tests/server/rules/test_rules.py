"""Rules that steer money are changed by two officers, and a tariff to come is taken back by two."""

import asyncio
import csv
import io
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from server import sample, verify
from server.database import Transactions
from server.errors import InvalidRequest, Problem
from server.identity import service as identity
from server.identity.models import Role
from server.identity.service import RoleNotAllowed
from server.ledger import service as ledger
from server.parking import covered, pass_orders
from server.parking.covered_models import Exemption
from server.payments.books import Books
from server.reconciliation import rules as matching
from server.reports import targets
from server.rules import service, standing
from server.rules.kinds import Act, RuleDaysPosted, RuleOverlaps
from server.rules.service import (
    NotOwnRuleProposal,
    OwnRuleProposal,
    RuleNeedsTwo,
    RuleProposalDecided,
    RuleProposalOpen,
    RuleTooSoon,
    RuleUnchanged,
)
from server.spots import service as spots
from server.spots.service import TariffNotLast, TariffNotThere
from tests.server.office.test_endpoints import sign_in
from tests.server.reports.test_catalogue import paid
from tests.server.spots import test_proposals as tariffs

TODAY = date(2026, 12, 30)
NOON = datetime(2026, 12, 30, 5, tzinfo=UTC)
FIRST = "2027-01-01"
SHARE = {
    "kind": "share",
    "valid_from": FIRST,
    "regulation": "SK Uji 1",
    "attendant_bp": 4000,
    "zone": "PSR",
}
MDR = {"kind": "mdr", "valid_from": FIRST, "regulation": "SE", "criteria": "UMI", "rate_bp": 10}
PAYOUT = {
    "kind": "payout",
    "valid_from": FIRST,
    "regulation": "SK",
    "weekdays": [5],
    "after_days": 0,
}
MATCHING = {
    "kind": "matching",
    "valid_from": FIRST,
    "regulation": "PKS",
    "fee_rounding_rp": 5,
    "late_after_days": 2,
    "heard_within_days": 1,
    "working_days": True,
}
TARGET = {"kind": "target", "year": 2027, "amount_rp": 12_000, "regulation": "Perda APBD"}
PASS = {
    "kind": "pass-price",
    "code": "mobil-1",
    "vehicle_class": "car",
    "months": 1,
    "zones": ["PSR"],
    "price_rp": 75_000,
    "regulation": "Perda Uji 9",
    "valid_from": FIRST,
}
FREE = {
    "kind": "exemption",
    "code": "ambulans",
    "picture": "ambulance",
    "vehicle_class": "car",
    "label_id": "Ambulans dan jenazah",
    "label_en": "Ambulance or hearse",
    "regulation": "Perda Uji 10",
    "valid_from": FIRST,
}
BACK = {"kind": "tariff-back", "zone": "PSR", "valid_from": FIRST}


async def propose(
    transactions: Transactions, told: dict[str, Any], login: str = sample.OFFICER
) -> UUID:
    async with transactions.begin() as db:
        who = await identity.officer_named(db, login)
        rule = service.parsed(told)
        return await service.propose(db, who, rule, "perlu", today=TODAY, now=NOON)


async def decide(
    transactions: Transactions,
    proposal: UUID,
    *,
    approve: bool = True,
    login: str = sample.CHECKER,
    today: date = TODAY,
) -> None:
    async with transactions.begin() as db:
        who = await identity.officer_named(db, login)
        await service.decide(
            db, who, proposal, approve=approve, why="sesuai", today=today, now=NOON
        )


async def put(transactions: Transactions, told: dict[str, Any]) -> None:
    await decide(transactions, await propose(transactions, told))


async def standing_rules(transactions: Transactions) -> list[tuple[str, str, str | None, str]]:
    async with transactions.begin() as db:
        zones = dict(await spots.zone_names(db))
        return [
            (
                one.rule.kind,
                str(one.rule.begins),
                None if one.until is None else str(one.until),
                one.rule.said(zones).english,
            )
            for one in await standing.every(db)
        ]


async def test_each_kind_is_in_force_once_two_officers_agree_and_not_before(
    transactions: Transactions,
) -> None:
    before = await standing_rules(transactions)
    asked = [await propose(transactions, told) for told in (SHARE, MDR, PAYOUT, MATCHING, TARGET)]
    assert await standing_rules(transactions) == before
    for proposal in asked:
        await decide(transactions, proposal)
    new = [row for row in await standing_rules(transactions) if row not in before]
    assert new == [
        (
            "share",
            FIRST,
            None,
            "Shares, Pasar Contoh: attendant 40\xa0%, regency 60\xa0%; fractions go to the regency",
        ),
        ("mdr", FIRST, None, "MDR UMI: 0,1\xa0%"),
        ("mdr", "2024-12-01", "2026-12-31", "MDR UMI: 0,3\xa0%, free up to Rp500.000"),
        (
            "payout",
            FIRST,
            None,
            "Shares are paid out on Friday, at the earliest 0 days after they were earned",
        ),
        (
            "matching",
            FIRST,
            None,
            "Matching: a fee may be off by Rp5; a settlement, and its money at the bank, is awaited"
            " for 2 working days; without a time, the days of a payment and its line may be 1"
            " apart",
        ),
        ("target", FIRST, "2027-12-31", "Target, the whole regency 2027: Rp12.000"),
    ]
    day = date(2027, 1, 1)
    async with transactions.begin() as db:
        zone = await spots.zone_id(db, "PSR")
        share = ledger.pick(await ledger.share_rules(db, day, day), zone, day)
        assert share is not None
        assert share.attendant_bp == 4000
        assert (await ledger.payout_rule(db, day)).weekdays == (5,)
        assert (await matching.tolerances(db, day)).fee_rounding_rp == 5
        assert (await matching.tolerances(db, day)).working_days
        assert (await matching.tolerances(db, TODAY)).fee_rounding_rp == 0
        assert (await targets.targets(db, 2027)).of(None)[0] == 1_000
        who = await db.scalar(text("SELECT set_by FROM revenue_targets"))
        assert who == f"{sample.OFFICER}, {sample.CHECKER}"
        assert {name: rows for name, rows in (await verify.broken(db)).items() if rows} == {}


async def test_what_a_proposal_changes_is_told_before_and_changes_nothing(
    transactions: Transactions,
) -> None:
    await put(transactions, TARGET)
    await put(transactions, PAYOUT)
    before = await standing_rules(transactions)
    async with transactions.begin() as db:
        maker = await identity.officer_named(db, sample.OFFICER)

        async def told(changed: dict[str, Any]) -> tuple[list[str], list[str], list[str]]:
            rule = service.parsed(changed)
            found = await service.preview(db, maker, rule, today=TODAY, now=NOON)
            parts = (found.begins, found.ends, found.replaced)
            begins, ends, replaced = ([one.rule.said({}).english for one in p] for p in parts)
            return begins, ends, replaced

        begins, ends, replaced = await told(MDR)
        assert (begins, replaced) == (["MDR UMI: 0,1\xa0%"], [])
        assert ends == ["MDR UMI: 0,3\xa0%, free up to Rp500.000"]
        begins, ends, replaced = await told(TARGET | {"amount_rp": 9})
        assert (ends, replaced) == ([], ["Target, the whole regency 2027: Rp12.000"])
        with pytest.raises(RuleUnchanged):
            await told(PAYOUT | {"regulation": "SK Uji 2"})
    assert await standing_rules(transactions) == before
    async with transactions.begin() as db:
        assert await service.waiting(db) == []


async def test_nobody_decides_what_they_proposed(
    owner: Transactions, transactions: Transactions
) -> None:
    asked = await propose(transactions, MATCHING)
    with pytest.raises(RoleNotAllowed):
        await propose(transactions, PAYOUT, login=sample.CHECKER)
    with pytest.raises(RoleNotAllowed):
        await decide(transactions, asked, login=sample.OFFICER)
    async with transactions.begin() as db:  # whose role changed meanwhile is the same person
        values = {"role": Role.VERIFIKATOR.value, "login": sample.OFFICER}
        await db.execute(text("UPDATE officers SET role = :role WHERE login = :login"), values)
    with pytest.raises(OwnRuleProposal):
        await decide(transactions, asked, login=sample.OFFICER)
    with pytest.raises(DBAPIError, match="ck_rule_proposals_maker_checker"):
        async with owner.begin() as db:
            await db.execute(
                text(
                    "UPDATE rule_proposals SET state = 'approved', decided_by = proposed_by,"
                    " decided_at = now()"
                )
            )
    with pytest.raises(DBAPIError, match="was made with other values"):
        async with owner.begin() as db:
            await db.execute(
                text("UPDATE rule_proposals SET body = body || '{\"fee_rounding_rp\": 900}'")
            )


async def test_what_was_declined_or_withdrawn_is_decided_for_good(
    transactions: Transactions,
) -> None:
    declined = await propose(transactions, PAYOUT)
    with pytest.raises(RuleProposalOpen):
        await propose(transactions, PAYOUT)
    await decide(transactions, declined, approve=False)
    withdrawn = await propose(transactions, PAYOUT)
    async with transactions.begin() as db:
        told = {"login": "lain", "name": "Lain", "role": Role.BENDAHARA, "password": "uji"}
        await identity.add_officer(db, **told)  # type: ignore[arg-type]
        other = await identity.officer_named(db, "lain")
        maker = await identity.officer_named(db, sample.OFFICER)
    async with transactions.begin() as db:
        with pytest.raises(NotOwnRuleProposal):
            await service.withdraw(db, other, withdrawn, "keliru", now=NOON)
        await service.withdraw(db, maker, withdrawn, "keliru", now=NOON)
    for proposal in (declined, withdrawn):
        with pytest.raises(RuleProposalDecided):
            await decide(transactions, proposal)
    assert not [row for row in await standing_rules(transactions) if row[0] == "payout"]


async def test_an_approval_that_comes_too_late_or_after_another_is_refused(
    transactions: Transactions, books: Books
) -> None:
    late, twice, posted = [
        await propose(transactions, told)
        for told in (PAYOUT, MATCHING, SHARE | {"valid_from": "2027-01-02"})
    ]
    with pytest.raises(RuleTooSoon):
        await decide(transactions, late, today=date(2027, 1, 1))
    await put(transactions, MATCHING | {"fee_rounding_rp": 7})
    with pytest.raises(RuleOverlaps):
        await decide(transactions, twice)
    await paid(transactions, books, date(2027, 1, 2), 4000)
    with pytest.raises(RuleDaysPosted):
        await decide(transactions, posted)
    async with transactions.begin() as db:
        assert len(await service.waiting(db)) == 3


@pytest.mark.parametrize(
    ("told", "refusal"),
    [
        (SHARE | {"valid_from": str(TODAY)}, RuleTooSoon),
        (SHARE | {"zone": "XXX"}, spots.ZoneNotFound),
        (SHARE | {"attendant_bp": 10_001}, InvalidRequest),
        (SHARE | {"third_party_bp": 1}, InvalidRequest),
        (SHARE | {"valid_until": "2026-01-01"}, InvalidRequest),
        (MDR | {"valid_from": "2024-12-01"}, RuleOverlaps),
        (PAYOUT | {"weekdays": []}, InvalidRequest),
        (MATCHING | {"heard_within_days": 9}, InvalidRequest),
        (MATCHING | {"other": 1}, InvalidRequest),
        (TARGET | {"month": 13}, InvalidRequest),
        (TARGET | {"regulation": "a\nb"}, InvalidRequest),
        ({"kind": "lain"}, InvalidRequest),
        ({}, InvalidRequest),
        (BACK, TariffNotThere),
    ],
)
async def test_a_rule_that_makes_no_sense_is_refused_in_words(
    transactions: Transactions, told: dict[str, Any], refusal: type[Problem]
) -> None:
    with pytest.raises(refusal):
        await propose(transactions, told)


async def test_one_person_sets_rules_only_while_nobody_can_check(
    transactions: Transactions,
) -> None:
    async with transactions.begin() as db:
        with pytest.raises(RuleNeedsTwo):
            await service.refuse_unless_alone(db)
        await db.execute(
            text("UPDATE officers SET switched_off_at = now() WHERE role = 'verifikator'")
        )
        await service.refuse_unless_alone(db)


async def test_prices_of_passes_and_free_vehicles_are_superseded_by_two(
    transactions: Transactions,
) -> None:
    async with transactions.begin() as db:
        (was,) = [
            price for price in await pass_orders.prices_on(db, TODAY) if price.code == "mobil-1"
        ]
    for told in (PASS | {"zones": ["PSR", "PSR"]}, FREE, FREE | {"code": "Dinas_1"}):
        await put(transactions, told)
    new_year = date(2027, 1, 1)
    async with transactions.begin() as db:
        for day, price_rp in ((TODAY, was.price_rp), (new_year, 75_000)):
            sold = [each for each in await pass_orders.prices_on(db, day) if each.code == "mobil-1"]
            assert [each.price_rp for each in sold] == [price_rp]
        told = [
            (each.label_id, each.valid_from, each.valid_until)
            for each in await covered.exemptions_from(db, TODAY)
            if each.code == "ambulans"
        ]
    assert told[-1] == ("Ambulans dan jenazah", new_year, None)
    assert told[0][2] == TODAY + timedelta(days=1)
    rules = await standing_rules(transactions)
    assert (
        "pass-price",
        FIRST,
        None,
        "Pass, car, 1 month, Pasar Contoh: Rp75.000",
    ) in rules
    assert ("exemption", FIRST, None, "Parks free: Ambulance or hearse, car") in rules
    with pytest.raises(RuleTooSoon):
        await propose(transactions, PASS | {"valid_from": str(TODAY)})
    for told in (PASS, FREE):
        with pytest.raises(RuleOverlaps):  # one that begins before one that is agreed
            await propose(transactions, told | {"valid_from": "2026-12-31"})


async def test_of_two_exemptions_that_are_approved_at_once_one_is_refused(
    transactions: Transactions,
) -> None:
    """As if neither approval saw the other's."""
    told = Exemption(
        code=FREE["code"],
        picture="ambulance",
        vehicle_class="car",
        label_id="A",
        label_en="A",
        regulation="SK",
        valid_from=TODAY + timedelta(days=9),
    )
    asked = await propose(transactions, FREE)
    async with transactions.begin() as db:
        await covered.exempt(db, told)
        other = asyncio.create_task(decide(transactions, asked))
        async with asyncio.timeout(60):
            while not await db.scalar(text("SELECT 1 FROM pg_locks WHERE NOT granted LIMIT 1")):
                assert not other.done()
                await asyncio.sleep(0.01)
    with pytest.raises(RuleOverlaps):
        await other


async def tariff_days(transactions: Transactions) -> list[tuple[str, str | None]]:
    async with transactions.begin() as db:
        return [
            (version["valid_from"], version.get("valid_until"))
            for zone, version in await spots.tariffs_from(db, TODAY)
            if zone == "PSR"
        ]


async def test_a_tariff_to_come_is_taken_back_by_two_and_the_one_before_goes_on(
    owner: Transactions, transactions: Transactions
) -> None:
    before = await tariff_days(transactions)
    for first in (date(2027, 1, 1), date(2027, 2, 1)):
        await tariffs.decide(transactions, await tariffs.propose(transactions, first=first))
    with pytest.raises(TariffNotLast):
        await propose(transactions, BACK)
    await put(transactions, BACK | {"valid_from": "2027-02-01"})
    assert await tariff_days(transactions) == [(before[0][0], "2026-12-31"), (FIRST, None)]
    asked = await propose(transactions, BACK)
    with pytest.raises(RuleTooSoon):
        await decide(transactions, asked, today=date(2027, 1, 1))
    await decide(transactions, asked)
    assert await tariff_days(transactions) == before
    async with transactions.begin() as db:
        assert {name: rows for name, rows in (await verify.broken(db)).items() if rows} == {}
    fair = tariffs.DRAFT | {"event": "Pasar malam", "valid_until": "2027-01-03"}
    fair_asked = await tariffs.propose(transactions, first=date(2027, 1, 1), draft=fair)
    await tariffs.decide(transactions, fair_asked)
    await put(transactions, BACK | {"event": "Pasar malam"})
    assert await tariff_days(transactions) == before
    again = await tariffs.propose(transactions, first=date(2027, 1, 1))
    await tariffs.decide(transactions, again)
    assert (await tariff_days(transactions))[-1] == (FIRST, None)
    with pytest.raises(DBAPIError, match="no two officers took tariff"):
        async with owner.begin() as db:
            await db.execute(
                text(
                    "UPDATE tariffs SET taken_back_by = (SELECT id FROM rule_proposals LIMIT 1)"
                    " WHERE taken_back_by IS NULL AND valid_until IS NULL"
                )
            )


async def test_the_log_of_changes_is_filtered_and_comes_as_a_file(
    transactions: Transactions, api: httpx.AsyncClient
) -> None:
    await put(transactions, MATCHING)
    await propose(transactions, PAYOUT)
    await tariffs.propose(transactions, reason="=1+1")
    await sign_in(api)

    async def lines(query: str) -> list[list[str]]:
        answer = await api.get(f"/office/rules/changes.csv?{query}")
        assert answer.status_code == 200
        return [*csv.reader(io.StringIO(answer.text), delimiter=";")][1:]

    everything = await lines("")
    assert [row[5] for row in everything] == [
        "menunggu keputusan",
        "menunggu keputusan",
        "disetujui",
    ]
    assert everything[0][4] == "'=1+1"
    assert len(await lines("kind=tariff")) == 1
    assert len(await lines("state=approved&from=2026-12-30&to=2026-12-30")) == 1
    assert await lines("from=2027-01-02") == []
    page = await api.get("/office/rules/changes?kind=payout", headers={"Accept": "text/html"})
    assert "Bagi hasil dibayarkan Jumat" in page.text
    for wrong in ("kind=x", "state=x", "after=x", "from=x"):
        answer = await api.get(f"/office/rules/changes?{wrong}")
        assert answer.status_code == 422


@pytest.mark.parametrize("query", ["attendant_bp=x", "attendant_bp=1,234", "third_party=%00"])
async def test_a_form_filled_in_wrongly_is_told_on_its_page(
    api: httpx.AsyncClient, query: str
) -> None:
    await sign_in(api)
    rest = f"valid_from={TODAY + timedelta(days=40_000)}&regulation=SK"
    told = f"/office/rules/new/share?{query}&{rest}"
    page = await api.get(told, headers={"Accept": "text/html"})
    assert page.status_code == 200
    assert 'role="alert"' in page.text
    assert "Yang berubah bila disetujui" not in page.text


async def test_effects_of_a_waiting_proposal_are_tried_without_keeping_them(
    transactions: Transactions,
) -> None:
    await tariffs.decide(transactions, await tariffs.propose(transactions))
    before = await tariff_days(transactions)
    asked = await propose(transactions, BACK)
    async with transactions.begin() as db:
        one = await service.found(db, asked)
        await service.effects(db, one.rule, Act(asked, "", TODAY, NOON))
    assert await tariff_days(transactions) == before
