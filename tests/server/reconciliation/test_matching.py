"""Matching by example: each way in which two sides can disagree, and each in which they do not."""

from dataclasses import replace

import pytest

from server.reconciliation.matching import Booked, Movement, Settled, batch_named, match

RRN, OTHER = "100000000001", "100000000002"


def ours(rrn: str | None = RRN, amount_rp: int = 4000, reference: str = "ACQ-1") -> Booked:
    return Booked("kami", reference, rrn, amount_rp)


def theirs(
    rrn: str | None = RRN, gross_rp: int = 4000, mdr_rp: int = 28, batch: str = "BCH-A1"
) -> Settled:
    return Settled(batch, "kami", "ACQ-1", rrn, gross_rp, mdr_rp, gross_rp - mdr_rp)


def charged(mdr_rp: int, due_rp: int | None) -> Settled:
    return replace(theirs(mdr_rp=mdr_rp), mdr_due_rp=due_rp)


def returned(amount_rp: int = 4000) -> Booked:
    return replace(ours("RFD1", -amount_rp), returned_rrn=RRN)


def credit(amount_rp: int, narrative: str = "BATCH BCH-A1", subject: str = "bank/1") -> Movement:
    return Movement(subject, amount_rp, batch_named(narrative, ["BCH-A1", "BCH-A2", "BCH-A10"]))


PAID = [credit(3972)]
CASES = {
    "agreed": ([ours()], [theirs()], PAID, {}),
    "nothing on any side": ([], [], [], {}),
    "not settled": ([ours()], [], [], {"not-settled ACQ-1/100000000001": -4000}),
    "not booked": ([], [theirs()], PAID, {"not-booked ACQ-1/100000000001": 4000}),
    "settled for more": (
        [ours()],
        [theirs(gross_rp=4028)],
        [credit(4000)],
        {"amount-differs ACQ-1/100000000001": 28},
    ),
    "RRN missing in our books": ([ours(None)], [theirs()], PAID, {}),
    "RRN missing in the file": ([ours()], [theirs(None)], PAID, {}),
    "RRN missing on both sides": ([ours(None)], [theirs(None)], PAID, {}),
    "same reference, other RRN": (
        [ours()],
        [theirs(OTHER)],
        PAID,
        {"not-settled ACQ-1/100000000001": -4000, "not-booked ACQ-1/100000000002": 4000},
    ),
    "one booked, settled under two RRNs": (
        [ours()],
        [theirs(), theirs(OTHER, 4000, 0)],
        [credit(7972)],
        {"not-booked ACQ-1/100000000002": 4000},
    ),
    "two booked without and with RRN, settled with both": (
        [ours(None), ours(OTHER)],
        [theirs(), theirs(OTHER)],
        [credit(7944)],
        {},
    ),
    "payout missing": ([ours()], [theirs()], [], {"payout-missing BCH-A1": -3972}),
    "payout short": ([ours()], [theirs()], [credit(3000)], {"payout-differs BCH-A1": -972}),
    "payout taken back": (
        [ours()],
        [theirs()],
        [credit(3972), credit(-3972, subject="bank/2")],
        {"payout-differs BCH-A1": -3972},
    ),
    "payout in two credits": ([ours()], [theirs()], [credit(3000), credit(972)], {}),
    "two batches in one credit": (
        [ours(), ours(OTHER)],
        [theirs(), theirs(OTHER, batch="BCH-A2")],
        [credit(7944, "BATCH BCH-A1 DAN BCH-A2")],
        {"payout-differs BCH-A1": 3972, "payout-missing BCH-A2": -3972},
    ),
    "batch that nets to nothing": ([ours()], [theirs(mdr_rp=4000)], [], {}),
    "wrapped narrative": ([ours()], [theirs()], [credit(3972, "BATCH BCH-\r\nA1 BANK")], {}),
    "batch whose name begins another's": (
        [ours(), ours(OTHER)],
        [theirs(), theirs(OTHER, batch="BCH-A10")],
        [credit(3972), credit(3972, "BATCH BCH-A10")],
        {},
    ),
    "batch whose name ends another's": (
        [ours()],
        [theirs()],
        [*PAID, credit(500, "BATCH XBCH-A1", "bank/2")],
        {"unknown-movement bank/2": 500},
    ),
    "unknown credit": (
        [ours()],
        [theirs()],
        [*PAID, credit(500, "SETORAN", "bank/2")],
        {"unknown-movement bank/2": 500},
    ),
    "fee as the rule says": ([ours()], [charged(28, 28)], PAID, {}),
    "fee without a rule": ([ours()], [charged(28, None)], PAID, {}),
    "fee above the rule": (
        [ours()],
        [charged(28, 27)],
        PAID,
        {"mdr-differs ACQ-1/100000000001": -1},
    ),
    "fee below the rule": (
        [ours()],
        [charged(28, 40)],
        PAID,
        {"mdr-differs ACQ-1/100000000001": 12},
    ),
    "fee on money not booked": (
        [],
        [charged(28, 0)],
        PAID,
        {"mdr-differs ACQ-1/100000000001": -28, "not-booked ACQ-1/100000000001": 4000},
    ),
    "refund under its payment's RRN": (
        [ours(), returned()],
        [theirs(mdr_rp=0), theirs(gross_rp=-4000, mdr_rp=0)],
        [],
        {},
    ),
    "refund under the RRN of neither": (
        [ours(), returned()],
        [theirs(mdr_rp=0), theirs(OTHER, -4000, 0)],
        [],
        {
            "not-settled ACQ-1/RFD1/pengembalian": 4000,
            "not-booked ACQ-1/100000000002/pengembalian": -4000,
        },
    ),
    "payment and its refund under one RRN, neither booked": (
        [],
        [theirs(mdr_rp=0), theirs(gross_rp=-4000, mdr_rp=0)],
        [],
        {
            "not-booked ACQ-1/100000000001": 4000,
            "not-booked ACQ-1/100000000001/pengembalian": -4000,
        },
    ),
    "unknown debit": ([], [], [credit(-500, "BIAYA")], {"unknown-movement bank/1": -500}),
}


@pytest.mark.parametrize(
    ("booked", "settled", "movements", "differences"), CASES.values(), ids=CASES
)
def test_each_difference_is_named_with_its_rupiah(
    booked: list[Booked],
    settled: list[Settled],
    movements: list[Movement],
    differences: dict[str, int],
) -> None:
    outcome = match(booked, settled, movements)
    found = {f"{d.kind} {d.subject}": d.difference_rp for d in outcome.differences}
    assert found == differences


def test_a_batch_cut_off_in_the_evening_is_paid_out_as_one_sum() -> None:
    assert match([ours()], [theirs()], [credit(5972)], {"BCH-A1": 2000}).differences == ()
    (short,) = match([ours()], [theirs()], [credit(3972)], {"BCH-A1": 2000}).differences
    assert (short.kind, short.difference_rp) == ("payout-differs", -2000)
