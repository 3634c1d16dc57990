"""Hosts that cannot reach each other, whatever lies between them."""

from collections.abc import Iterable

from halfopen.base.addresses import Address
from halfopen.sim.cable import Cable
from halfopen.sim.host import SimHost
from halfopen.sim.match import Passing
from halfopen.sim.rules import DROP, InstalledRule, Verdict


class Partition:
    """A rule: nothing that one host sends reaches the other, nor do its questions for the other's address.

    It stands on the cables of both, so that it also holds through a NAT, which changes one of the addresses.
    """

    def __init__(self, sender: SimHost, receiver: SimHost) -> None:
        self._names = sender.name, receiver.name
        self._senders, self._receivers = _addresses(sender), _addresses(receiver)
        self._installed: list[tuple[Cable, InstalledRule]] = []

    def __call__(self, passing: Passing) -> Verdict | None:
        """DROP for what is from the one to the other."""
        if passing.arp is not None:
            source, destination = passing.arp.sender_address, passing.arp.target_address
        elif passing.ip is not None:
            source, destination = passing.ip.source, passing.ip.destination
        else:
            return None
        return DROP if source in self._senders and destination in self._receivers else None

    def begin(self, cables: Iterable[Cable]) -> None:
        """From now on, on those of ``cables`` that either host is on."""
        for cable in cables:
            if any(end.pump.name in self._names for end in cable.ends):
                self._installed.append((cable, cable.rule(self)))

    def end(self) -> None:
        """Packets pass again. One that nothing has met was no mistake."""
        for cable, rule in self._installed:
            cable.rules.forget(rule)
        self._installed.clear()

    def __repr__(self) -> str:
        """As it is named in comments."""
        return f"partition({self._names[0]} > {self._names[1]})"


def _addresses(host: SimHost) -> frozenset[Address]:
    return frozenset(address for interface in host.stack.interfaces for address, _ in interface.addresses)
