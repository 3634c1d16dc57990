import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextvars import ContextVar, copy_context

import pytest

from halfopen.sim.signals import SIGNALS, Handler, SignalTable, signals_of_hosts

TERM, INT = signal.SIGTERM, signal.SIGINT


class Programs:
    """Which host the running code is on, and what its handlers were told."""

    def __init__(self) -> None:
        self.host: str | None = "server"
        self.table = SignalTable()
        self.told: list[tuple[str, int, object]] = []

    def handler(self, name: str) -> Handler:
        return lambda signum, frame: self.told.append((name, signum, frame))


@pytest.fixture
def programs() -> Iterator[Programs]:
    made = Programs()
    with signals_of_hosts(made.table, lambda: made.host):
        yield made


def test_a_handler_is_called_with_the_number_and_no_frame() -> None:
    programs, table = Programs(), SignalTable()
    table.set("server", TERM, programs.handler("first"))
    assert table.deliver("server", TERM)
    assert programs.told == [("first", TERM, None)]


def test_the_handler_before_is_returned_and_can_be_set_again() -> None:
    programs, table = Programs(), SignalTable()
    first = programs.handler("first")
    assert table.set("server", TERM, first) == signal.SIG_DFL
    assert table.set("server", TERM, programs.handler("second")) is first
    table.set("server", TERM, first)
    table.deliver("server", TERM)
    assert programs.told == [("first", TERM, None)]


def test_hosts_have_handlers_of_their_own() -> None:
    programs, table = Programs(), SignalTable()
    for host in ("one", "two"):
        table.set(host, TERM, programs.handler(host))
    table.deliver("two", TERM)
    assert programs.told == [("two", TERM, None)]


def test_the_default_action_is_the_callers() -> None:
    table = SignalTable()
    assert not table.deliver("server", TERM)
    assert not table.deliver("server", INT)


def test_pythons_own_handler_of_sigint_is_the_default() -> None:
    table = SignalTable()
    original = table.set("server", INT, signal.SIG_IGN)
    assert original is signal.default_int_handler
    table.set("server", INT, original)
    assert not table.deliver("server", INT)


def test_an_ignored_signal_is_taken() -> None:
    table = SignalTable()
    table.set("server", TERM, signal.SIG_IGN)
    assert table.deliver("server", TERM)


def test_a_host_whose_programs_are_gone_has_no_handlers() -> None:
    programs, table = Programs(), SignalTable()
    for signum in (TERM, INT):
        table.set("server", signum, programs.handler("server"))
    table.set("client", TERM, programs.handler("client"))
    assert table.forget("server")
    assert not table.forget("server")
    assert not table.deliver("server", TERM)
    assert table.deliver("client", TERM)


def test_one_handler_can_be_forgotten() -> None:
    programs, table = Programs(), SignalTable()
    for signum in (TERM, INT):
        table.set("server", signum, programs.handler("server"))
    assert table.forget("server", TERM)
    assert not table.deliver("server", TERM)
    assert table.deliver("server", INT)


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGSTOP])
def test_no_program_handles_sigkill(signum: int) -> None:
    with pytest.raises(OSError, match="Invalid argument"):
        SignalTable().set("server", signum, signal.SIG_IGN)


def test_a_number_that_is_no_signal_is_refused() -> None:
    with pytest.raises(ValueError):
        SignalTable().set("server", 999, signal.SIG_IGN)


def test_a_handler_that_cannot_be_called_is_refused() -> None:
    with pytest.raises(TypeError, match="signal handler must be"):
        SignalTable().set("server", TERM, None)


def test_on_a_host_signal_signal_is_the_hosts(programs: Programs) -> None:
    mine = programs.handler("mine")
    assert signal.signal(TERM, mine) == signal.SIG_DFL
    assert signal.getsignal(TERM) is mine
    assert programs.table.get("server", TERM) is mine
    programs.host = "client"
    assert signal.getsignal(TERM) == signal.SIG_DFL


def test_on_no_host_signal_signal_is_the_process_s(programs: Programs) -> None:
    programs.host = None
    original = signal.getsignal(signal.SIGUSR1)
    mine = programs.handler("process")
    try:
        assert signal.signal(signal.SIGUSR1, mine) is original
        assert signal.getsignal(signal.SIGUSR1) is mine
        signal.raise_signal(signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, original)
    assert [(name, signum) for name, signum, _ in programs.told] == [("process", signal.SIGUSR1)] * 2


def test_the_process_keeps_its_ctrl_c_while_hosts_handle_theirs(programs: Programs) -> None:
    before = signal.getsignal(INT)
    signal.signal(INT, programs.handler("server"))
    programs.host = None
    assert signal.getsignal(INT) is signal.default_int_handler
    assert before is signal.default_int_handler


def test_a_program_that_raises_a_signal_gets_it_itself(programs: Programs) -> None:
    signal.signal(TERM, programs.handler("server"))
    signal.raise_signal(TERM)
    os.kill(os.getpid(), TERM)
    assert programs.told == [("server", TERM, None)] * 2


def test_a_signal_that_nobody_handles_ends_no_process(programs: Programs) -> None:
    signal.raise_signal(TERM)
    assert programs.told == []


def test_a_program_on_a_host_cannot_signal_other_processes(programs: Programs) -> None:
    with pytest.raises(ProcessLookupError):
        os.kill(os.getpid() + 1, TERM)


def test_a_program_need_not_run_in_the_main_thread(programs: Programs) -> None:
    thread = threading.Thread(target=lambda: signal.signal(TERM, programs.handler("server")))
    thread.start()
    thread.join()
    assert programs.table.deliver("server", TERM)


def test_everything_is_undone() -> None:
    before = [dict(vars(module)) for module in (signal, os)]
    with signals_of_hosts(SignalTable(), lambda: "server"):
        assert signal.signal == SIGNALS.signal
    assert [dict(vars(module)) for module in (signal, os)] == before
    assert sys.modules["signal"] is signal


def test_a_handler_runs_in_the_context_of_who_has_set_it() -> None:
    where: ContextVar[str] = ContextVar("where", default="nowhere")
    table, seen = SignalTable(), []
    context = copy_context()
    context.run(where.set, "server")
    context.run(table.set, "server", TERM, lambda signum, frame: seen.append(where.get()))
    table.deliver("server", TERM)
    context.run(table.deliver, "server", TERM)
    assert seen == ["server", "server"]
    assert where.get() == "nowhere"
