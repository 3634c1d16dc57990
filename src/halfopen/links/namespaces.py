"""Network namespaces of our own: real traffic, but nothing of it on a network that is not ours (namespaces(7)).

Two forms. `enter_private_namespace` moves this whole process, as root or as any user; every program it starts is in
there too. `Namespace` is one beside this process, which stays where it is; that takes root.
"""

import ctypes
import errno
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Self, TypeAlias

from halfopen.base.errors import ConfigError
from halfopen.links.interfaces import configure

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000

Stream: TypeAlias = int | IO[bytes] | None


def enter_private_namespace() -> bool:
    """Moves this process into a fresh network namespace where only ``lo`` exists, and is up; there is no way back.

    Needs no root where the system lets users have namespaces: the process then becomes root of a user namespace too,
    with its own user mapped to 0, and True is returned. Has to come before any thread. ConfigError says what forbids
    it.
    """
    threads = len(os.listdir("/proc/self/task"))
    if threads > 1:
        raise ConfigError(f"a process with {threads} threads cannot move into a namespace: do it before starting any")
    try:
        _unshare(CLONE_NEWNET)
    except PermissionError:
        _become_root_of_user_namespace()
        return True
    configure("lo")
    return False


def _become_root_of_user_namespace() -> None:
    """user_namespaces(7): one user and one group are mapped, and to map the group setgroups(2) is given up."""
    user, group = os.geteuid(), os.getegid()
    try:
        _unshare(CLONE_NEWUSER | CLONE_NEWNET)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
        # AppArmor lets a process come this far and then denies it the first thing that root of a namespace may do.
        configure("lo")
    except OSError as error:
        raise ConfigError(f"no network namespace without root here: {explain_refusal(error)}") from None


def explain_refusal(error: OSError, sysctls: Path = Path("/proc/sys")) -> str:
    """Why this system forbids user namespaces, and what to change, in one line."""
    if _sysctl(sysctls / "user/max_user_namespaces") == "0":
        return "user.max_user_namespaces is 0; 'sysctl user.max_user_namespaces=10000' as root allows them"
    if _sysctl(sysctls / "user/max_net_namespaces") == "0":
        return "user.max_net_namespaces is 0; 'sysctl user.max_net_namespaces=10000' as root allows them"
    if _sysctl(sysctls / "kernel/unprivileged_userns_clone") == "0":
        return "kernel.unprivileged_userns_clone is 0; 'sysctl kernel.unprivileged_userns_clone=1' as root allows them"
    if _sysctl(sysctls / "kernel/apparmor_restrict_unprivileged_userns") == "1":
        return (
            "AppArmor restricts user namespaces (Ubuntu 23.10 and later); "
            "'sysctl kernel.apparmor_restrict_unprivileged_userns=0' as root lifts it, or run as root"
        )
    if error.errno == errno.ENOSPC:
        return "the limit on nested or concurrent user namespaces is reached (user.max_user_namespaces)"
    return f"{error.strerror} (a container's seccomp profile may forbid unshare(2)); run as root or outside of it"


class Namespace:
    """An anonymous network namespace beside this process, alive until `close`; ``lo`` is up. Needs CAP_SYS_ADMIN.

    It is a descriptor, not a process: a thread makes it, keeps it open and goes back. ``command`` arguments are run
    inside by the programs of this machine, whose file system they share.
    """

    def __init__(self) -> None:
        home = _open_current()
        try:
            self._fd = _fresh_namespace(home)
        except PermissionError as error:
            raise PermissionError(error.errno, "a network namespace beside this process needs root") from None
        finally:
            os.close(home)
        with self.enter():
            configure("lo")

    @property
    def path(self) -> str:
        """For ``nsenter --net=PATH`` and ``ip netns attach``, as long as this is open."""
        return f"/proc/{os.getpid()}/fd/{self._fd}"

    def fileno(self) -> int:
        """The descriptor of the namespace; what netlink calls ``net_ns_fd``."""
        return self._fd

    @contextmanager
    def enter(self) -> Iterator[None]:
        """This thread is inside, for opening a device or a socket there; both stay there when the thread has gone back.

        Other threads notice nothing, but coroutines of this one would: no ``await`` inside.
        """
        home = _open_current()
        try:
            _setns(self._fd)
            yield
        finally:
            _setns(home)
            os.close(home)

    def prefix(self, *command: str) -> list[str]:
        """``command`` with what has to stand in front to run it inside, for those who start it by other means."""
        return ["nsenter", f"--net={self.path}", "--", *command]

    def popen(
        self, command: Sequence[str], *, stdin: Stream = None, stdout: Stream = None, stderr: Stream = None
    ) -> subprocess.Popen[bytes]:
        """Starts a program inside; it is the caller's to wait for."""
        with self.enter():
            return subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=stderr)

    def run(
        self, command: Sequence[str], *, timeout: float = 60.0, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Runs a program inside to its end; its output is captured as text."""
        with self.enter():
            return subprocess.run(command, timeout=timeout, check=check, capture_output=True, text=True)

    def close(self) -> None:
        """Lets the kernel take the namespace and its devices down once no process and no descriptor is left in it."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _open_current() -> int:
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _fresh_namespace(home: int) -> int:
    """A descriptor of a new namespace, which this thread has left for ``home`` again."""
    _unshare(CLONE_NEWNET)
    try:
        return _open_current()
    finally:
        _setns(home)


def _unshare(flags: int) -> None:
    # os.unshare and os.setns exist from Python 3.12 only.
    libc = ctypes.CDLL(None, use_errno=True)
    _check(libc.unshare(flags), "unshare")


def _setns(fd: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    _check(libc.setns(fd, CLONE_NEWNET), "setns")


def _check(result: int, call: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{call}: {os.strerror(code)}")


def _sysctl(path: Path) -> str:
    """The value of a sysctl; empty if this kernel does not have it."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""
