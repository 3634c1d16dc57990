"""The calls of `halfopen.packetdrill.posix` on a stack of ours, in its time: nothing of the machine's is touched."""

from halfopen.packetdrill.virtual_posix.host import VirtualPosix

__all__ = ["VirtualPosix"]
