"""The holidays that a new tariff is offered with."""

from datetime import date, time

from domain.tariff import Band, FlatRate, TariffVersion, VehicleClass
from server.office.tariffs import Differs, _differs, _draft

TODAY = date(2027, 1, 5)
CLOSED = Band(time(), time(), 9000, None, frozenset(), holidays=True)
PAST, LATER = date(2026, 12, 25), date(2029, 1, 1)
WRONG, RIGHT, LAST = date(2027, 3, 10), date(2027, 3, 11), date(2027, 4, 21)


def test_a_feast_that_was_estimated_is_offered_on_the_day_decreed_since() -> None:
    own = {PAST: "Natal", WRONG: "Idulfitri (perkiraan)", LATER: "Nanti"}
    rates = {VehicleClass.CAR: FlatRate(7000, (CLOSED,))}
    begun = TariffVersion("Uji", date(2026, 1, 1), None, rates, holidays=own)
    known = {date(2026, 12, 31): "Libur", RIGHT: "Idulfitri", LAST: "Hari jadi"}
    draft = _draft(begun, {}, known, TODAY)
    assert dict(draft.holidays) == {
        PAST: "Natal",
        RIGHT: "Idulfitri",
        LAST: "Hari jadi",
        LATER: "Nanti",
    }
    assert _differs(begun, draft) == Differs(
        {RIGHT: "Idulfitri", LAST: "Hari jadi"}, {WRONG: "Idulfitri (perkiraan)"}
    )
    assert _differs(draft, draft) is None
