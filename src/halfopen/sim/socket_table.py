"""The ports of every host at once, as ``ss -tunap`` shows them: what one looks at when nothing moves any more."""

from collections.abc import Iterable

from halfopen.aio.host import Host
from halfopen.stack.ports import format_listing


def socket_table(host: Host) -> str:
    """The listening ports, connections and sockets of one host, with their queues."""
    return format_listing(host.stack.ports.listing())


def socket_tables(hosts: Iterable[Host]) -> str:
    """`socket_table` of each host that has something to show, under its name."""
    tables = [f"{host.program}:\n{socket_table(host)}" for host in hosts if host.stack.ports.listing()]
    return "\n".join(tables) or "no host has a port in use"
