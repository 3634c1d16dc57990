"""The table against figure 5 of RFC 9293."""

import pytest

from halfopen.tcp.state import CAN_RECEIVE, SYNCHRONIZED, TRANSITIONS, Event, State, move

FIGURE_5 = {
    ("CLOSED", "passive OPEN", "LISTEN"),
    ("CLOSED", "active OPEN", "SYN-SENT"),
    ("LISTEN", "rcv SYN", "SYN-RECEIVED"),
    ("SYN-SENT", "rcv SYN", "SYN-RECEIVED"),
    ("SYN-SENT", "rcv SYN,ACK", "ESTABLISHED"),
    ("SYN-RECEIVED", "rcv ACK of SYN", "ESTABLISHED"),
    ("SYN-RECEIVED", "CLOSE", "FIN-WAIT-1"),
    ("ESTABLISHED", "CLOSE", "FIN-WAIT-1"),
    ("ESTABLISHED", "rcv FIN", "CLOSE-WAIT"),
    ("FIN-WAIT-1", "rcv ACK of FIN", "FIN-WAIT-2"),
    ("FIN-WAIT-1", "rcv FIN", "CLOSING"),
    ("FIN-WAIT-2", "rcv FIN", "TIME-WAIT"),
    ("CLOSING", "rcv ACK of FIN", "TIME-WAIT"),
    ("CLOSE-WAIT", "CLOSE", "LAST-ACK"),
    ("LAST-ACK", "rcv ACK of FIN", "CLOSED"),
    ("TIME-WAIT", "timeout 2MSL", "CLOSED"),
}
"""Without the ways back to CLOSED and LISTEN that delete a TCB (CLOSE before there is a connection, RST), which are
`Event.DELETE` here, and without SEND in LISTEN, which the API does not offer."""


class Holder:
    def __init__(self, state: State) -> None:
        self.state = state


def test_the_table_is_the_figure_and_deletion() -> None:
    table = {
        (state.value, event.value, after.value)
        for state, row in TRANSITIONS.items()
        for event, after in row.items()
        if event is not Event.DELETE
    }
    assert table == FIGURE_5


def test_every_state_but_closed_can_be_deleted() -> None:
    deletable = {state for state, row in TRANSITIONS.items() if row.get(Event.DELETE) is State.CLOSED}
    assert deletable == set(State) - {State.CLOSED}


def test_every_state_has_a_row_and_every_event_an_arrow() -> None:
    assert set(TRANSITIONS) == set(State)
    assert {event for row in TRANSITIONS.values() for event in row} == set(Event)


def test_every_state_is_reached_from_closed_and_leads_back() -> None:
    reached, front = {State.CLOSED}, [State.CLOSED]
    while front:
        new = set(TRANSITIONS[front.pop()].values()) - reached
        reached |= new
        front.extend(new)
    assert reached == set(State)


def test_every_orderly_way_of_closing_first_passes_through_time_wait() -> None:
    front, seen = [State.FIN_WAIT_1], {State.FIN_WAIT_1}
    while front:
        state = front.pop()
        for event, after in TRANSITIONS[state].items():
            if event is Event.DELETE:
                continue
            assert after is not State.CLOSED or state is State.TIME_WAIT
            if after is not State.CLOSED and after not in seen:
                seen.add(after)
                front.append(after)
    assert State.TIME_WAIT in seen


def test_simultaneous_open_takes_the_arrows_of_figure_7() -> None:
    holder = Holder(State.CLOSED)
    assert move(holder, Event.ACTIVE_OPEN) is State.SYN_SENT
    assert move(holder, Event.RCV_SYN) is State.SYN_RECEIVED
    assert move(holder, Event.RCV_ACK_OF_SYN) is State.ESTABLISHED
    assert holder.state is State.ESTABLISHED


@pytest.mark.parametrize("state", State)
def test_an_arrow_that_is_not_there_cannot_be_taken(state: State) -> None:
    for event in set(Event) - set(TRANSITIONS[state]):
        holder = Holder(state)
        with pytest.raises(KeyError):
            move(holder, event)
        assert holder.state is state


def test_text_is_expected_until_the_peers_fin() -> None:
    assert {state for state, row in TRANSITIONS.items() if Event.RCV_FIN in row} == CAN_RECEIVE


def test_synchronized_states_are_established_and_later() -> None:
    assert {state.value for state in set(State) - SYNCHRONIZED} == {"CLOSED", "LISTEN", "SYN-SENT", "SYN-RECEIVED"}
