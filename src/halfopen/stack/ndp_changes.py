"""What Neighbor Discovery finds out, and how the routes of a host follow it."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Final, TypeAlias

from halfopen.base.addresses import Address, Prefix
from halfopen.base.counters import Counters
from halfopen.stack.interface import Interface
from halfopen.stack.routes import Route, Routes

MAX_REDIRECTS: Final = 256
"""Destinations that are redirected at a time; the oldest go first."""


@dataclass(slots=True, frozen=True)
class AddressChange:
    """An address that is used from now on, or not any more; `HostAddresses` knows it already.

    ``on_link``: its prefix is on the link because the address is; a router's prefix has a `RouteChange` of its own.
    """

    interface: Interface
    address: Address
    prefix: Prefix
    on_link: bool
    is_used: bool


@dataclass(slots=True, frozen=True)
class RouteChange:
    """A route learnt from a router, or one that holds no longer."""

    route: Route
    is_added: bool


@dataclass(slots=True, frozen=True)
class Redirected:
    """A router says that there is a better first hop; it is believed if it is the first hop so far (RFC 4861 8.1)."""

    interface: Interface
    destination: Address
    target: Address
    router: Address


@dataclass(slots=True, frozen=True)
class HopLost:
    """A neighbour does not answer any more: what was redirected to it finds its way anew (RFC 4861 7.3.3)."""

    interface: Interface
    hop: Address


Change: TypeAlias = AddressChange | RouteChange | Redirected | HopLost


class Discovery(ABC):
    """Where changes come from."""

    __slots__ = ()

    @abstractmethod
    def poll_change(self) -> Change | None:
        """The oldest change that nobody has followed yet."""


class ChangeFollower:
    """Keeps the routes of one host as Neighbor Discovery finds them."""

    __slots__ = ("_counters", "_prefix", "_redirects", "_routes", "learnt")

    def __init__(self, routes: Routes, counters: Counters, prefix: str = "Ndp") -> None:
        self.learnt: set[Route] = set()
        """The routes that are there because of what has been found; nobody has configured them."""
        self._routes = routes
        self._counters = counters
        self._prefix = prefix
        self._redirects: dict[Prefix, Route] = {}

    def follow(self, discovery: Discovery) -> None:
        """Everything that has changed."""
        while (change := discovery.poll_change()) is not None:
            if isinstance(change, AddressChange):
                self._follow_address(change)
            elif isinstance(change, RouteChange):
                self._follow_route(change)
            elif isinstance(change, Redirected):
                self.follow_redirect(change)
            else:
                self.follow_loss(change)

    def _follow_address(self, change: AddressChange) -> None:
        if change.on_link:
            route = Route(prefix=change.prefix, interface=change.interface)
            self._follow_route(RouteChange(route, change.is_used))
        else:
            self._routes.advance()

    def _follow_route(self, change: RouteChange) -> None:
        if change.is_added:
            self._routes.add(change.route)
            self.learnt.add(change.route)
        elif change.route in list(self._routes):
            self._routes.remove(change.route)
            self.learnt.discard(change.route)

    def follow_redirect(self, change: Redirected) -> None:
        """The Destination Cache entry of RFC 4861 8.3 (RFC 1122 3.3.1.2), as a route to one host."""
        current = self._routes.lookup(change.destination)
        if current is None or current.interface is not change.interface or current.gateway != change.router:
            self._counters.add(f"{self._prefix}RedirectsRefused")
            return
        prefix = Prefix(change.destination, 8 * len(change.destination))
        if self._redirects.get(prefix) is not None:  # compiled, ``in`` would ask the prefix, which has members itself
            self._forget(prefix)
        elif len(self._redirects) >= MAX_REDIRECTS:
            self._forget(next(iter(self._redirects)))
        gateway = None if change.target == change.destination else change.target
        route = Route(prefix=prefix, interface=change.interface, gateway=gateway)
        self._redirects[prefix] = route
        self._routes.add(route)
        self.learnt.add(route)
        self._counters.add(f"{self._prefix}RedirectsFollowed")

    def follow_loss(self, change: HopLost) -> None:
        """What was redirected there finds its way anew."""
        for prefix, route in list(self._redirects.items()):
            if route.interface is change.interface and (route.gateway or prefix.network) == change.hop:
                self._forget(prefix)

    def _forget(self, prefix: Prefix) -> None:
        self._follow_route(RouteChange(self._redirects.pop(prefix), False))
