"""From a script's numbers to those on the wire, and back.

Scripts count as tcpdump does: absolutely on a SYN, and on every other segment from the initial sequence number of
whoever the number belongs to. The remote end's ISN is on the wire what the script says; ours the stack has chosen, and
it is learnt from its SYN.
"""

from halfopen.base.errors import HalfopenError

_SPACE = 1 << 32


class Unmapped(HalfopenError):
    """A number that nothing on the wire stands for yet."""


class SequenceNumbers:
    """Both directions of one connection."""

    __slots__ = ("_is_known", "_live_isn", "_script_isn", "remote_isn")

    def __init__(self, remote_isn: int | None = None) -> None:
        self.remote_isn = remote_isn
        """What the first segment from the remote end has had for a sequence number."""
        self._script_isn = self._live_isn = 0
        self._is_known = False

    def learn(self, script_isn: int, live_isn: int) -> None:
        """Our SYN, as the script has it and as it was sent; the first one counts."""
        if not self._is_known:
            self._script_isn, self._live_isn, self._is_known = script_isn, live_isn, True

    def suppose(self, live_isn: int) -> None:
        """Our SYN was sent, though no line has told of it: as if one had, with 0, until one does."""
        if not self._is_known:
            self._live_isn = live_isn

    def meet(self, remote_isn: int) -> None:
        """The remote end's first sequence number; later ones change nothing."""
        if self.remote_isn is None:
            self.remote_isn = remote_isn

    def local(self, number: int, *, is_syn: bool) -> int:
        """A number in our own space as it is on the wire."""
        origin = self._live_isn - self._script_isn if is_syn else self._live_isn
        return (origin + number) % _SPACE

    def remote(self, number: int, *, is_syn: bool) -> int:
        """A number in the remote end's space as it is on the wire."""
        return (number + (0 if is_syn else self.remote_isn or 0)) % _SPACE

    def script_local(self, live: int, *, is_syn: bool) -> int:
        """`local` backwards; before our SYN was seen an absolute number stays as it is."""
        return (live - self.local(0, is_syn=is_syn)) % _SPACE

    def script_remote(self, live: int, *, is_syn: bool) -> int:
        """`remote` backwards."""
        return (live - self.remote(0, is_syn=is_syn)) % _SPACE


class Timestamps:
    """Which TSval of ours stands for which of the script's.

    With ``extrapolates`` (``--tcp_ts_ecr_scaled``) the first pair tells about all others.
    """

    __slots__ = ("_extrapolates", "_pairs", "first")

    def __init__(self, *, extrapolates: bool = False) -> None:
        self._extrapolates = extrapolates
        self._pairs: dict[int, int] = {}
        self.first: tuple[int, int] | None = None
        """The first pair: the script's value, the live one."""

    def learn(self, script: int, live: int) -> None:
        """A segment of ours carried ``live`` where the script has ``script``."""
        self._pairs[script] = live
        if self.first is None:
            self.first = (script, live)

    def live(self, script: int) -> int:
        """What the remote end has to echo; Unmapped if we have not sent it."""
        if script in self._pairs:
            return self._pairs[script]
        if self._extrapolates and self.first is not None:
            return (self.first[1] + script - self.first[0]) % _SPACE
        raise Unmapped(f"ecr {script} echoes a timestamp that no outbound packet has carried")


class FlowLabels:
    """IPv6 flow labels are the stack's to choose; where a script repeats one, so must the stack."""

    __slots__ = ("_live",)

    def __init__(self) -> None:
        self._live: dict[int, int] = {}

    def matches(self, script: int, live: int) -> bool:
        """Whether ``live`` is what has stood for ``script`` so far; from the first time on it does."""
        return self._live.setdefault(script, live) == live
