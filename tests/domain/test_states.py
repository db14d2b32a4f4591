import re
from enum import StrEnum
from types import MappingProxyType

import pytest

from domain import parking, payment, sign
from domain.states import TransitionRefused, diagram, follow


class Door(StrEnum):
    SHUT = "shut"
    AJAR = "ajar"
    GONE = "gone"


class Push(StrEnum):
    OPEN = "open"
    BREAK = "break"


TABLE = {
    (Door.SHUT, Push.OPEN): Door.AJAR,
    (Door.SHUT, Push.BREAK): Door.GONE,
    (Door.AJAR, Push.BREAK): Door.GONE,
}


def test_a_listed_pair_is_followed_and_any_other_is_refused_by_name():
    assert follow(TABLE, Door.SHUT, Push.OPEN) is Door.AJAR
    with pytest.raises(TransitionRefused, match=r"^open is refused in state gone$") as refused:
        follow(TABLE, Door.GONE, Push.OPEN)
    assert (refused.value.state, refused.value.event) == (Door.GONE, Push.OPEN)


def test_a_diagram_shows_entries_edges_and_ends():
    assert diagram(TABLE) == (
        "stateDiagram-v2\n"
        "    [*] --> shut\n"
        "    shut --> ajar: open\n"
        "    shut --> gone: break\n"
        "    ajar --> gone: break\n"
        "    gone --> [*]\n"
    )


TABLES = [
    parking.STAY_TABLE,
    payment.CHARGE_TABLE,
    payment.PAYMENT_TABLE,
    payment.REFUND_TABLE,
    payment.CASE_TABLE,
    sign.SIGN_TABLE,
]


@pytest.mark.parametrize("table", TABLES)
def test_the_tables_are_read_only(table):
    assert isinstance(table, MappingProxyType)


@pytest.mark.parametrize("table", TABLES)
def test_every_state_and_every_event_has_a_place_in_its_table(table):
    state, event = next(iter(table))
    assert {s for s, _ in table} | set(table.values()) == set(type(state))
    assert {e for _, e in table} == set(type(event))


@pytest.mark.parametrize("table", TABLES)
def test_a_diagram_has_one_line_for_each_edge(table):
    edges = re.findall(r"^    (\w+) --> (\w+): (\w+)$", diagram(table), re.MULTILINE)
    assert edges == [(state, target, event) for (state, event), target in table.items()]


def test_there_is_one_refusal_wherever_it_is_imported_from():
    assert parking.TransitionRefused is payment.TransitionRefused is TransitionRefused
