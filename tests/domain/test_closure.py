"""What closes a spot, put together: the same moments as each closure by itself."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from domain.closure import Closure, ClosureReason, closed, periods

SPOT = "PSR-001-U"
BEGAN = datetime(2026, 12, 30, tzinfo=UTC)
HOURS = st.integers(0, 72)
CLOSURES = st.builds(
    lambda zone, spot, starts, lasts: Closure(
        zone,
        spot,
        BEGAN + timedelta(hours=starts),
        None if lasts is None else BEGAN + timedelta(hours=starts + lasts),
        ClosureReason.ROAD,
    ),
    st.sampled_from(["PSR", "ALN"]),
    st.sampled_from(["", SPOT, "PSR-002-V"]),
    HOURS,
    st.none() | st.integers(1, 24),
)


@given(st.lists(CLOSURES, max_size=6), HOURS)
def test_periods_hold_the_moments_at_which_something_closes_the_spot(
    closures: list[Closure], hour: int
) -> None:
    at = BEGAN + timedelta(hours=hour)
    found = periods(closures, SPOT)
    within = [1 for starts, ends in found if starts <= at and (ends is None or at < ends)]
    assert len(within) == (closed(closures, SPOT, at) is not None)
    for (_, ends), (starts, _) in pairwise(found):
        assert ends is not None
        assert ends < starts, "apart, and in order"
