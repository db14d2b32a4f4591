"""Whom a report calls high: who stands out from his peers, and never for want of data."""

from hypothesis import given
from hypothesis import strategies as st

from server.reports.bands import Band, bands

PEERS = {f"J-{at:03}": (at % 3, 100) for at in range(8)}


def test_one_who_stands_out_is_high_and_his_peers_are_not() -> None:
    placed = bands(PEERS | {"J-999": (30, 100)})
    assert placed.of["J-999"] is Band.HIGH
    assert {placed.of[who] for who in PEERS} == {Band.USUAL}
    assert (placed.median, placed.upper) == (100, 500)


def test_who_served_few_is_not_placed_and_few_peers_place_nobody() -> None:
    placed = bands(PEERS | {"J-999": (19, 19)})
    assert placed.of["J-999"] is Band.TOO_FEW
    alone = bands({"J-001": (30, 100), "J-002": (0, 100), "J-003": (0, 100)})
    assert set(alone.of.values()) == {Band.TOO_FEW}
    assert alone.upper is None


COUNTS = st.tuples(st.integers(0, 500), st.integers(0, 1000))


@given(st.dictionaries(st.text("abcdef", min_size=1), COUNTS, max_size=20))
def test_few_are_high_and_equals_are_placed_alike(
    claims: dict[str, tuple[int, int]],
) -> None:
    placed = bands(claims)
    assert placed.of.keys() == claims.keys()
    ranked = [who for who, band in placed.of.items() if band is not Band.TOO_FEW]
    high = [who for who in ranked if placed.of[who] is Band.HIGH]
    assert 4 * len(high) <= len(ranked)
    for one in ranked:
        for other in ranked:
            if claims[one] == claims[other]:
                assert placed.of[one] is placed.of[other]
