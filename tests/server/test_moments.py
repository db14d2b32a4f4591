"""Moments as callers write them."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import TypeAdapter, ValidationError

from server.moments import Moment

READER: TypeAdapter[datetime] = TypeAdapter(Moment)


def test_a_moment_is_a_text_with_its_offset() -> None:
    read = READER.validate_python("2026-11-21T10:00:00+07:00")
    assert read == datetime(2026, 11, 21, 3, tzinfo=UTC)
    assert read.utcoffset() == timedelta(hours=7)


@pytest.mark.parametrize("told", [0, 1.5, True, None, "", "0", "1700000000", "2026-11-21T10:00:00"])
def test_a_number_or_a_time_of_nowhere_is_no_moment(told: object) -> None:
    with pytest.raises(ValidationError):
        READER.validate_python(told)
