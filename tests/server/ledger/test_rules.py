"""Dated share and MDR rules: which is in force on a day, and how one follows another."""

from datetime import date, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from domain.mdr import MdrRule, MerchantCriteria, mdr, rule_on
from domain.shares import ShareLeg, ShareRule
from server.database import Transactions
from server.ledger import postings, service
from server.spots import service as spots

SAMPLE = ShareRule(3500, 500, "Karang Taruna (sampel)", ShareLeg.REGENCY)
OWN = ShareRule(4000, remainder_to=ShareLeg.ATTENDANT)
FROM, LATER = date(2026, 1, 1), date(2026, 7, 1)


async def add(db, rule=OWN, *, zone_id=None, valid_from=FROM, valid_until=None):
    await service.add_share_rule(
        db,
        rule,
        zone_id=zone_id,
        valid_from=valid_from,
        valid_until=valid_until,
        regulation="SK uji",
    )


async def zone(db, code="PSR"):
    return (await spots.find(db, f"{code}-001-U")).zone_id


async def test_a_zones_own_rule_goes_before_the_regencys(transactions: Transactions) -> None:
    async with transactions.begin() as db:
        zone_id = await zone(db)
        await add(db, zone_id=zone_id, valid_until=date(2026, 6, 30))
        rules = await service.share_rules(db, date(2025, 12, 31), LATER)
        spans = {(dated.valid_from, dated.valid_until, dated.zone_id) for dated in rules}
        assert spans == {(date(2024, 1, 1), None, None), (FROM, date(2026, 6, 30), zone_id)}
        for day, rule in (
            (date(2025, 12, 31), SAMPLE),
            (FROM, OWN),
            (date(2026, 6, 30), OWN),
            (LATER, SAMPLE),
        ):
            assert service.pick(rules, zone_id, day) == rule
        other = next(s.zone_id for s in await spots.all_spots(db) if s.zone_id != zone_id)
        assert service.pick(rules, other, FROM) == SAMPLE
        assert service.pick(rules, zone_id, date(2023, 12, 31)) is None
        assert service.pick([], zone_id, FROM) is None


async def test_only_rules_of_the_span_are_read(transactions: Transactions) -> None:
    async with transactions.begin() as db:
        await add(db)
        for first, last, rules in (
            (date(2023, 1, 1), date(2023, 12, 31), []),
            (date(2023, 1, 1), date(2024, 1, 1), [SAMPLE]),
            (date(2025, 12, 31), date(2025, 12, 31), [SAMPLE]),
            (FROM, FROM, [OWN]),
            (date(2025, 12, 31), FROM, [SAMPLE, OWN]),
        ):
            found = [dated.rule for dated in await service.share_rules(db, first, last)]
            assert sorted(found, key=repr) == sorted(rules, key=repr)


async def test_a_new_rule_ends_the_open_one_of_its_own_scope_only(
    transactions: Transactions,
) -> None:
    async with transactions.begin() as db:
        zone_id = await zone(db)
        await add(db, zone_id=zone_id, valid_from=date(2025, 1, 1))
        await add(db)
        await add(db)  # again is harmless
        rules = await service.share_rules(db, date(2024, 1, 1), date(2030, 1, 1))
    assert sorted((d.zone_id is None, d.valid_from, d.valid_until) for d in rules) == [
        (False, date(2025, 1, 1), None),
        (True, date(2024, 1, 1), date(2025, 12, 31)),
        (True, FROM, None),
    ]


async def test_two_rules_are_never_in_force_at_once(transactions: Transactions) -> None:
    async with transactions.begin() as db:
        zone_id = await zone(db)
        await add(db, valid_until=LATER)
    for scope, valid_from in ((None, LATER), (None, date(2025, 12, 31)), (None, FROM)):
        with pytest.raises(IntegrityError, match="ex_share_rules_one_in_force"):
            async with transactions.begin() as db:
                await add(db, ShareRule(1), zone_id=scope, valid_from=valid_from)
    async with transactions.begin() as db:
        await add(db, ShareRule(1), zone_id=zone_id, valid_from=LATER)
    with pytest.raises(IntegrityError, match="ex_share_rules_one_in_force"):
        async with transactions.begin() as db:
            await add(db, ShareRule(2), zone_id=zone_id, valid_from=LATER)


async def test_a_rule_for_days_already_posted_is_refused(
    transactions: Transactions, now: datetime
) -> None:
    async with transactions.begin() as db:
        await service.record(
            db,
            postings.for_payment(2000, "PSR"),
            source="uji",
            description="uji",
            business_day=date(2026, 3, 31),
            now=now,
        )
        with pytest.raises(service.RuleTooLate, match="2026-03-31"):
            await add(db, valid_from=date(2026, 3, 31))
        await add(db, valid_from=date(2026, 4, 1))


async def test_the_database_refuses_a_rule_that_cannot_be(
    owner: Transactions, subtests: pytest.Subtests
) -> None:
    for constraint, change in {
        "ck_share_rules_whole": "attendant_bp = 9501",
        "ck_share_rules_third_party": "third_party = ''",
        "ck_share_rules_remainder_to": "remainder_to = 'nobody'",
        "ck_share_rules_period": "valid_until = '2023-12-31'",
    }.items():
        with subtests.test(constraint), pytest.raises(IntegrityError, match=constraint):
            async with owner.begin() as db:
                await db.execute(text(f"UPDATE share_rules SET {change}"))


UMI, PSO = MerchantCriteria.UMI, MerchantCriteria.PSO


async def test_the_published_rates_are_in_the_table(transactions: Transactions) -> None:
    async with transactions.begin() as db:
        rules = await service.mdr_rules(db)
    assert len(rules) == 12
    assert {rule.criteria for rule in rules} == set(MerchantCriteria)
    for criteria, day, amount_rp, fee_rp in (
        (UMI, date(2024, 11, 30), 100_000, 0),
        (UMI, date(2024, 11, 30), 100_001, 300),
        (UMI, date(2024, 12, 1), 500_000, 0),
        (UMI, date(2024, 12, 1), 600_000, 1_800),
        (PSO, date(2025, 3, 13), 10_000, 40),
        (PSO, date(2025, 3, 14), 10_000, 0),
        (MerchantCriteria.UKE, date(2026, 1, 1), 10_000, 70),
        (MerchantCriteria.UME, date(2026, 1, 1), 10_000, 70),
        (MerchantCriteria.UBE, date(2026, 1, 1), 10_000, 70),
        (MerchantCriteria.URE, date(2026, 1, 1), 10_000, 70),
        (MerchantCriteria.EDU, date(2026, 1, 1), 10_000, 60),
        (MerchantCriteria.FUEL, date(2026, 1, 1), 10_000, 40),
        (MerchantCriteria.P2G, date(2026, 1, 1), 10_000, 0),
        (MerchantCriteria.DONATION, date(2026, 1, 1), 10_000, 0),
    ):
        rule = rule_on(rules, criteria, day)
        assert rule is not None
        assert mdr(amount_rp, rule) == fee_rp


async def test_a_regency_adds_a_rate_without_a_release(transactions: Transactions) -> None:
    new = MdrRule(PSO, date(2027, 1, 1), None, 50_000, 10)
    async with transactions.begin() as db:
        await service.add_mdr_rule(db, new, "SE uji")
        rules = await service.mdr_rules(db)
    assert rule_on(rules, PSO, date(2027, 1, 1)) == new
    before = rule_on(rules, PSO, date(2026, 12, 31))
    assert before == MdrRule(PSO, date(2025, 3, 14), date(2026, 12, 31), 0, 0)
    assert rule_on(rules, UMI, date(2027, 1, 1)).valid_until is None
    with pytest.raises(IntegrityError, match="ex_mdr_rules_one_in_force"):
        async with transactions.begin() as db:
            await service.add_mdr_rule(db, new, "SE uji")
