"""Options by the names that the host's headers give their numbers."""

from collections.abc import Mapping

_LEVELS = {"SO_": "SOL_SOCKET", "TCP_": "IPPROTO_TCP", "IP_": "IPPROTO_IP", "IPV6_": "IPPROTO_IPV6"}
LEVELS = tuple(_LEVELS.values())
_OTHERS = (
    *(
        "SO_EE_",
        "TCP_CM_",
        "TCP_NLA_",
        "TCP_ESTABLISHED",
        "TCP_SYN_",
        "TCP_FIN_",
        "TCP_TIME_WAIT",
        "TCP_CLOSE",
        "TCP_CA_",
    ),
    *("TCP_LAST_ACK", "TCP_LISTEN", "TCP_CLOSING", "IP_PMTUDISC_", "IPV6_PMTUDISC_", "TCP_RACK_", "TCP_FASTOPEN_M"),
)
"""Names of other numbers."""


def level_of(name: str) -> str:
    """The name of the level that an option belongs to, "" if the name is no option's."""
    if name.startswith(_OTHERS):
        return ""
    return next((level for prefix, level in _LEVELS.items() if name.startswith(prefix)), "")


def option_name(symbols: Mapping[str, int], level: int, option: int) -> str | None:
    """The option's name; None if the host knows none such."""
    for name, number in symbols.items():
        if number == option and (found := level_of(name)) and symbols[found] == level:
            return name
    return None
