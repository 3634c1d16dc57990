import asyncio
import ctypes.util
import importlib
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import ModuleType

import pytest

from halfopen.base.errors import ConfigError, SimulationError
from halfopen.sim.fence import HINTS, EscapeError, EscapeWarning, fenced

NOWHERE = ("192.0.2.1", 9)


def connect() -> None:
    with socket.socket() as sock:
        sock.connect(NOWHERE)


def connect_ex() -> None:
    with socket.socket() as sock:
        sock.connect_ex(NOWHERE)


def bind() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))


def send() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"", NOWHERE)


def send_message() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendmsg([b""], [], 0, NOWHERE)


def start_executor() -> None:
    with ThreadPoolExecutor() as executor:
        executor.submit(print)


ESCAPES: dict[str, tuple[str, Callable[[], object], str]] = {
    "connect": ("socket", connect, r"connected a real socket \(\('192.0.2.1', 9\)\)"),
    "connect_ex": ("socket", connect_ex, "connected a real socket"),
    "bind": ("socket", bind, "bound a real socket"),
    "sendto": ("socket", send, "sent from a real socket"),
    "sendmsg": ("socket", send_message, "sent from a real socket"),
    "getaddrinfo": ("names", lambda: socket.getaddrinfo("localhost", 80), r"called socket.getaddrinfo \('localhost'\)"),
    "gethostbyname": ("names", lambda: socket.gethostbyname("localhost"), "called socket.gethostbyname"),
    "getnameinfo": ("names", lambda: socket.getnameinfo(NOWHERE, 0), "called socket.getnameinfo"),
    "Popen": ("process", lambda: subprocess.Popen(["true"]), r"started a process \(\['true'\]\)"),
    "system": ("process", lambda: os.system("true"), "called os.system"),
    "fork": ("process", os.fork, "called os.fork"),
    "kill": ("process", lambda: os.kill(os.getpid(), 0), "called os.kill"),
    "thread": ("thread", lambda: threading.Thread(target=print).start(), r"started a thread \(<Thread"),
    "executor": ("thread", start_executor, "started a thread"),
    "sleep": ("sleep", lambda: time.sleep(0.001), r"called time.sleep\(\) \(0.001\)"),
}


def stopped(escape: Callable[[], object], allow: tuple[str, ...] = ()) -> str:
    """What the error says; nothing is left to warn of."""
    with fenced(allow) as fence:
        with pytest.raises(EscapeError) as caught:
            escape()
        assert fence.escapes == [caught.value]
        fence.escapes.clear()
    return str(caught.value)


@pytest.mark.parametrize("name", ESCAPES)
def test_an_escape_is_an_error_that_says_who_and_what_and_what_to_do(name: str) -> None:
    kind, escape, deed = ESCAPES[name]
    text = stopped(escape)
    assert text.startswith(f"{__name__} line ")
    assert re.search(deed, text)
    assert HINTS[kind] in text
    assert text.endswith(f"allow={kind!r}")


def test_a_library_is_named_not_the_standard_library_below_it(tmp_path: Path) -> None:
    with installed(tmp_path, "a_library", "import subprocess\n\ndef look():\n    subprocess.run(['true'])\n"):
        library = importlib.import_module("a_library")
        assert stopped(library.look).startswith("a_library line 4 started a process")


def test_a_program_on_an_event_loop_is_named() -> None:
    async def program() -> None:
        await asyncio.to_thread(print)

    with asyncio.Runner() as runner:
        runner.get_loop()
        text = stopped(lambda: runner.run(program()))
    assert text.startswith(f"{__name__} line ")


def test_what_is_not_inside_is_free() -> None:
    bind()
    with fenced():
        pass
    bind()
    time.sleep(0.000001)


@pytest.mark.parametrize("name", sorted(set(ESCAPES) - {"connect", "connect_ex", "sendto", "sendmsg", "fork"}))
def test_what_is_allowed_gets_through(name: str) -> None:
    kind, escape, _ = ESCAPES[name]
    with fenced((kind,)):
        made = escape()
        if isinstance(made, subprocess.Popen):
            made.wait()


def test_a_word_that_the_fence_does_not_know_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"no 'threads'; it can let through: socket, names, process, thread, sleep"):
        fenced(("threads",)).__enter__()


def test_an_import_may_run_a_program(tmp_path: Path) -> None:
    with installed(tmp_path, "an_importer", "import subprocess\nran = subprocess.run(['true']).returncode\n"), fenced():
        assert importlib.import_module("an_importer").ran == 0


def test_a_simulation_that_is_run_by_an_import_is_fenced_all_the_same(tmp_path: Path) -> None:
    source = """
import asyncio, time
from halfopen.sim.fence import EscapeError, fenced

async def program():
    time.sleep(0.001)

with asyncio.Runner() as runner:
    runner.get_loop()
    try:
        with fenced():
            runner.run(program())
    except EscapeError as error:
        found = str(error)
"""
    with installed(tmp_path, "an_example", source):
        assert importlib.import_module("an_example").found.startswith("an_example line 6 called time.sleep()")


def test_a_library_may_look_for_a_library() -> None:
    with fenced():
        ctypes.util.find_library("c")


def test_sockets_that_reach_nobody_are_free() -> None:
    with fenced():
        first, second = socket.socketpair()
        with first, second:
            first.sendmsg([b"x"])
            assert second.recv(1) == b"x"
        with socket.socket() as sock:
            assert sock.getsockname() == ("0.0.0.0", 0)


def test_a_sleep_of_no_length_is_free() -> None:
    with fenced():
        time.sleep(0)


def test_a_thread_that_ran_before_is_free() -> None:
    may_go, errors = threading.Event(), []

    def beside() -> None:
        may_go.wait()
        try:
            bind()
            time.sleep(0.000001)
        except EscapeError as error:
            errors.append(error)

    thread = threading.Thread(target=beside)
    thread.start()
    with fenced():
        may_go.set()
        thread.join()
    assert errors == []


def test_an_escape_that_the_program_got_over_is_a_warning_in_the_end() -> None:
    with pytest.warns(EscapeWarning, match=r"called time.sleep\(\)"), fenced(), suppress(Exception):
        time.sleep(1)


def test_an_escape_that_has_been_dealt_with_can_be_struck_off() -> None:
    with fenced() as fence:
        with pytest.raises(EscapeError):
            time.sleep(1)
        fence.escapes.clear()


def test_a_failure_after_an_escape_is_told_of_it() -> None:
    with pytest.raises(KeyError) as caught, fenced():
        try:
            bind()
        except SimulationError:
            raise KeyError from None
    (note,) = caught.value.__notes__
    assert note.startswith(f"before that, {__name__} line ")


def test_an_escape_that_ends_the_run_is_told_once() -> None:
    with pytest.raises(EscapeError) as caught, fenced():
        time.sleep(1)
    assert not hasattr(caught.value, "__notes__")


@pytest.fixture
def beside() -> Iterator[ThreadPoolExecutor]:
    """A thread that runs before: what it opens the hook lets pass, as it does what C opens."""
    with ThreadPoolExecutor(1) as executor:
        executor.submit(int).result()
        yield executor


def test_a_listening_socket_that_was_opened_unseen_is_found_in_the_end(beside: ThreadPoolExecutor) -> None:
    text = r"opened by code that Python cannot see.*descriptor \d+ of \('127"
    with ExitStack() as cleanup, pytest.raises(EscapeError, match=text), fenced():
        cleanup.enter_context(beside.submit(socket.create_server, ("127.0.0.1", 0)).result())


def test_a_connection_that_was_opened_unseen_is_found_in_the_end(beside: ThreadPoolExecutor) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, ExitStack() as cleanup:
        address = server.getsockname()
        with pytest.raises(EscapeError, match=rf"descriptor \d+ to \('127.0.0.1', {address[1]}\)"), fenced():
            cleanup.enter_context(beside.submit(socket.create_connection, address).result())


def test_a_unix_connection_that_was_opened_unseen_is_found_in_the_end(
    beside: ThreadPoolExecutor, tmp_path: Path
) -> None:
    def bound() -> socket.socket:
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(str(tmp_path / "socket"))
        return sock

    with ExitStack() as cleanup, pytest.raises(EscapeError, match=r"descriptor \d+ of '/.*socket'"), fenced():
        cleanup.enter_context(beside.submit(bound).result())


def test_a_library_that_may_have_done_it_is_named(beside: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", ModuleType("psycopg"))
    with ExitStack() as cleanup, pytest.raises(EscapeError, match=r"psycopg.*\?\)"), fenced():
        cleanup.enter_context(beside.submit(socket.create_server, ("127.0.0.1", 0)).result())


def test_sockets_from_before_and_those_that_are_allowed_may_stay(beside: ThreadPoolExecutor) -> None:
    with socket.create_server(("127.0.0.1", 0)), ExitStack() as cleanup:
        with fenced():
            pass
        with fenced(("socket",)):
            cleanup.enter_context(beside.submit(socket.create_server, ("127.0.0.1", 0)).result())


def test_sockets_that_are_neither_bound_nor_connected_may_stay() -> None:
    with ExitStack() as cleanup, fenced():
        for sock in (socket.socket(), socket.socket(socket.AF_UNIX), *socket.socketpair()):
            cleanup.enter_context(sock)


def test_there_is_one_fence_at_a_time() -> None:
    with fenced(), pytest.raises(SimulationError, match="the fence of this process"), fenced():
        raise AssertionError


@contextmanager
def installed(directory: Path, name: str, source: str) -> Iterator[None]:
    """A module that can be imported while the block runs."""
    (directory / f"{name}.py").write_text(source)
    sys.path.insert(0, str(directory))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(directory))
        sys.modules.pop(name, None)
