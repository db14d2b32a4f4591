import pytest

from domain.sign import IN_FORCE, SIGN_TABLE, SignEvent, SignState, advance
from domain.states import TransitionRefused

FINAL = {SignState.REPLACED, SignState.WITHDRAWN}


@pytest.mark.parametrize("state", SignState)
@pytest.mark.parametrize("event", SignEvent)
def test_a_sign_in_use_becomes_what_was_seen_and_one_out_of_use_stays_so(state, event):
    if state in FINAL or state.value == event.value:
        with pytest.raises(TransitionRefused):
            advance(state, event)
    else:
        assert advance(state, event).value == event.value


def test_every_sign_that_is_not_out_of_use_is_in_force():
    assert set(SignState) - FINAL == IN_FORCE
    assert len(SIGN_TABLE) == 17
