"""The configuration of a simulated host by the names of Linux's sysctls."""

from halfopen.stack import sysctl
from halfopen.stack.config import StackConfig
from halfopen.stack.linux_sysctls import LINUX_TABLE
from halfopen.stack.sysctl import Value
from halfopen.tcp.config import RetransmissionConfig, TcpConfig

__all__ = ["LINUX", "Value", "read", "sysctl_names", "write"]

LINUX = StackConfig(tcp=TcpConfig(retransmission=RetransmissionConfig(syn_retries=6)))
"""How a host is configured that nobody has configured: as Linux is, which gives up a SYN after 127 s."""


def read(config: StackConfig, name: str) -> Value:
    """What ``sysctl name`` would print of a host with this configuration; ConfigError if there is no such name."""
    return sysctl.read(LINUX_TABLE, config, name)


def write(config: StackConfig, name: str, value: Value) -> StackConfig:
    """``sysctl name=value``; ConfigError if there is no such name, or the value cannot be meant."""
    return sysctl.write(LINUX_TABLE, config, name, value)


def sysctl_names() -> str:
    """A line for each sysctl there is: its name, its default in a simulated host, and what it means."""
    rows = [(name, str(read(LINUX, name)), entry.meaning) for name, entry in LINUX_TABLE.items()]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join(f"{name:{widths[0]}}  {value:{widths[1]}}  {meaning}" for name, value, meaning in rows)
