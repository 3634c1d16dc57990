import threading

import pytest

from halfopen.base.errors import SimulationError
from halfopen.sim.stage import Stage


def test_who_is_on_stage_is_seen_while_the_block_runs() -> None:
    stage: Stage[str] = Stage("the clocks")
    with stage.held_by("one"):
        assert stage.current() == "one"
    assert stage.current() is None


def test_a_second_one_is_refused_and_the_first_stays() -> None:
    stage: Stage[str] = Stage("the clocks")
    with stage.held_by("one"):
        with pytest.raises(SimulationError, match="a simulation has the clocks of this process already"):
            stage.held_by("two").__enter__()
        assert stage.current() == "one"


def test_the_stage_is_free_after_an_error() -> None:
    stage: Stage[str] = Stage("the clocks")
    with pytest.raises(KeyError), stage.held_by("one"):
        raise KeyError
    with stage.held_by("two"):
        assert stage.current() == "two"


def test_a_thread_that_ran_before_sees_nobody_and_one_of_the_program_does() -> None:
    stage: Stage[str] = Stage("the clocks")
    seen: list[str | None] = []
    may_look = threading.Event()

    def look() -> None:
        may_look.wait()
        seen.append(stage.current())

    before = threading.Thread(target=look)
    before.start()
    with stage.held_by("one"):
        may_look.set()
        before.join()
        during = threading.Thread(target=look)
        during.start()
        during.join()
    assert seen == [None, "one"]
