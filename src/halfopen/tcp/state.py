"""The state diagram (RFC 9293 3.3.2) as a table; `move` is the only thing that writes a state.

docs/state-diagram.md is drawn from `TRANSITIONS`. An event that a state's row leaves out cannot happen there: `move`
raises, so that every place that moves has thought about where it can be.
"""

from enum import Enum
from typing import Final, Protocol

from halfopen.base.enums import quick


@quick
class State(Enum):
    """The eleven states, named as the RFC spells them."""

    CLOSED = "CLOSED"
    LISTEN = "LISTEN"
    SYN_SENT = "SYN-SENT"
    SYN_RECEIVED = "SYN-RECEIVED"
    ESTABLISHED = "ESTABLISHED"
    FIN_WAIT_1 = "FIN-WAIT-1"
    FIN_WAIT_2 = "FIN-WAIT-2"
    CLOSE_WAIT = "CLOSE-WAIT"
    CLOSING = "CLOSING"
    LAST_ACK = "LAST-ACK"
    TIME_WAIT = "TIME-WAIT"

    # Enum's own hash is a call into Python, several times a segment; a member is equal to nothing but itself.
    __hash__ = object.__hash__


@quick
class Event(Enum):
    """What moves a connection from one state to another."""

    PASSIVE_OPEN = "passive OPEN"
    ACTIVE_OPEN = "active OPEN"
    RCV_SYN = "rcv SYN"
    RCV_SYN_ACK = "rcv SYN,ACK"
    RCV_ACK_OF_SYN = "rcv ACK of SYN"
    CLOSE = "CLOSE"
    RCV_FIN = "rcv FIN"
    RCV_ACK_OF_FIN = "rcv ACK of FIN"
    TIMEOUT_2MSL = "timeout 2MSL"
    DELETE = "delete TCB"


_S, _E = State, Event

TRANSITIONS: Final[dict[State, dict[Event, State]]] = {
    _S.CLOSED: {_E.PASSIVE_OPEN: _S.LISTEN, _E.ACTIVE_OPEN: _S.SYN_SENT},
    _S.LISTEN: {_E.RCV_SYN: _S.SYN_RECEIVED, _E.DELETE: _S.CLOSED},
    _S.SYN_SENT: {_E.RCV_SYN: _S.SYN_RECEIVED, _E.RCV_SYN_ACK: _S.ESTABLISHED, _E.DELETE: _S.CLOSED},
    _S.SYN_RECEIVED: {
        _E.RCV_ACK_OF_SYN: _S.ESTABLISHED,
        _E.CLOSE: _S.FIN_WAIT_1,
        _E.DELETE: _S.CLOSED,
    },
    _S.ESTABLISHED: {_E.CLOSE: _S.FIN_WAIT_1, _E.RCV_FIN: _S.CLOSE_WAIT, _E.DELETE: _S.CLOSED},
    _S.FIN_WAIT_1: {_E.RCV_ACK_OF_FIN: _S.FIN_WAIT_2, _E.RCV_FIN: _S.CLOSING, _E.DELETE: _S.CLOSED},
    _S.FIN_WAIT_2: {_E.RCV_FIN: _S.TIME_WAIT, _E.DELETE: _S.CLOSED},
    _S.CLOSE_WAIT: {_E.CLOSE: _S.LAST_ACK, _E.DELETE: _S.CLOSED},
    _S.CLOSING: {_E.RCV_ACK_OF_FIN: _S.TIME_WAIT, _E.DELETE: _S.CLOSED},
    _S.LAST_ACK: {_E.RCV_ACK_OF_FIN: _S.CLOSED, _E.DELETE: _S.CLOSED},
    _S.TIME_WAIT: {_E.TIMEOUT_2MSL: _S.CLOSED, _E.DELETE: _S.CLOSED},
}


class HasState(Protocol):
    """What `move` needs of a Tcb."""

    state: State


def move(holder: HasState, event: Event) -> State:
    """Takes the arrow called ``event`` from the holder's state; KeyError where the diagram has none."""
    holder.state = TRANSITIONS[holder.state][event]
    return holder.state


CAN_RECEIVE: Final = frozenset({State.ESTABLISHED, State.FIN_WAIT_1, State.FIN_WAIT_2})
"""Text from the peer is still expected (RFC 9293 3.10.7.4, seventh step)."""

SYNCHRONIZED: Final = frozenset(State) - {State.CLOSED, State.LISTEN, State.SYN_SENT, State.SYN_RECEIVED}
"""Both sides have agreed on sequence numbers (RFC 9293 3.5.2)."""
