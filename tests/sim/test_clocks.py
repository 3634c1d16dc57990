import copy
import datetime
import os
import pickle
import sys
import threading
import time
from datetime import datetime as moment
from time import monotonic
from types import ModuleType
from zoneinfo import ZoneInfo

import pytest

from halfopen.base.clock import SECOND
from halfopen.base.errors import SimulationError
from halfopen.sim.clocks import CLOCKS, PAIRS, virtual_clocks
from halfopen.sim.scheduler import Scheduler


class Before:
    """What a class keeps is not replaced."""

    datetime = moment


NEW_YEAR = 1_767_225_600


@pytest.fixture
def scheduler() -> Scheduler:
    return Scheduler()


def test_virtual_time_begins_with_the_year_2026(scheduler: Scheduler) -> None:
    with virtual_clocks(scheduler):
        assert time.time() == NEW_YEAR
        assert time.time_ns() == NEW_YEAR * SECOND


def test_the_steady_clocks_are_the_loops(scheduler: Scheduler) -> None:
    with virtual_clocks(scheduler):
        assert time.monotonic() == time.perf_counter() == 1000.0
        scheduler.now += SECOND // 2
        assert time.monotonic() == time.perf_counter() == 1000.5
        assert time.monotonic_ns() == time.perf_counter_ns() == scheduler.now
        assert time.time() == NEW_YEAR + 0.5


def test_an_alias_made_before_is_virtual_too(scheduler: Scheduler) -> None:
    with virtual_clocks(scheduler):
        assert monotonic() == 1000.0
    assert monotonic is time.monotonic


def test_clocks_can_be_asked_by_number_and_cpu_time_is_real(scheduler: Scheduler) -> None:
    with virtual_clocks(scheduler):
        assert time.clock_gettime(time.CLOCK_REALTIME) == NEW_YEAR
        assert time.clock_gettime_ns(time.CLOCK_MONOTONIC) == scheduler.now
        assert 0 < time.clock_gettime_ns(time.CLOCK_PROCESS_CPUTIME_ID) < scheduler.now


def test_what_is_formatted_without_an_argument_is_now_in_utc(scheduler: Scheduler) -> None:
    with virtual_clocks(scheduler):
        scheduler.now += 3661 * SECOND
        assert time.ctime() == time.asctime() == "Thu Jan  1 01:01:01 2026"
        assert time.strftime("%H:%M:%S %Z") == "01:01:01 UTC"
        assert time.gmtime()[:6] == time.localtime()[:6] == (2026, 1, 1, 1, 1, 1)


def test_what_is_formatted_with_an_argument_is_that(scheduler: Scheduler) -> None:
    with virtual_clocks(scheduler):
        assert time.ctime(0) == time.asctime(time.gmtime(0)) == "Thu Jan  1 00:00:00 1970"
        assert time.strftime("%Y", time.localtime(0)) == "1970"


def test_datetime_reads_the_virtual_clock(scheduler: Scheduler) -> None:
    with virtual_clocks(scheduler):
        scheduler.now += 1_234_567
        expected = Before.datetime(2026, 1, 1, microsecond=1234)
        assert moment.now() == datetime.datetime.now() == moment.utcnow() == expected
        assert moment.now(datetime.UTC) == expected.replace(tzinfo=datetime.UTC)
        assert moment.now(ZoneInfo("Asia/Tokyo")).hour == 9
        assert moment.today().date() == datetime.date.today() == datetime.date(2026, 1, 1)


class Stamp(moment):
    """A subclass that was made before."""


def test_datetime_stays_the_class_that_it_is(scheduler: Scheduler) -> None:
    with virtual_clocks(scheduler):
        assert moment is Before.datetime is datetime.datetime
        made = [moment.now(), moment(2026, 1, 1), moment.fromtimestamp(0), moment.strptime("2026", "%Y")]
        assert {type(one) for one in made} == {Before.datetime}


def test_subclasses_made_before_and_meanwhile_read_the_virtual_clock(scheduler: Scheduler) -> None:
    with virtual_clocks(scheduler):

        class Later(moment):
            pass

        assert (type(Stamp.now()), type(Later.utcnow())) == (Stamp, Later)
        assert Stamp.now(datetime.UTC) == Later(2026, 1, 1, tzinfo=datetime.UTC)
    assert Stamp.now() > Stamp(2026, 1, 1)
    assert Later.utcnow() > Later(2026, 1, 1)


def test_who_has_asked_often_before_and_meanwhile_is_told_the_right_time(scheduler: Scheduler) -> None:
    def years() -> set[bool]:
        return {moment.now() == moment(2026, 1, 1) for _ in range(100)}

    assert years() == {False}
    with virtual_clocks(scheduler):
        assert years() == {True}
    assert years() == {False}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_datetimes_can_be_pickled_and_copied(scheduler: Scheduler, protocol: int) -> None:
    values = [moment(2026, 1, 1, 12), moment(2026, 1, 1, tzinfo=datetime.UTC), Stamp(2026, 1, 1), moment]
    before = pickle.dumps(values, protocol)
    with virtual_clocks(scheduler):
        meanwhile = pickle.dumps(values, protocol)
        assert pickle.loads(before) == pickle.loads(meanwhile) == copy.deepcopy(values) == values
    assert meanwhile == before


def test_local_time_is_utc_and_afterwards_what_it_was(scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    with virtual_clocks(scheduler):
        assert time.tzname == ("UTC", "UTC")
        assert moment.fromtimestamp(0).hour == 0
    assert (os.environ["TZ"], time.tzname[0]) == ("Asia/Tokyo", "JST")
    monkeypatch.undo()
    time.tzset()


def test_everything_is_undone(scheduler: Scheduler) -> None:
    before = [dict(vars(module)) for module in (time, datetime, moment, sys.modules[__name__])]
    with pytest.raises(KeyError), virtual_clocks(scheduler):
        raise KeyError
    assert [dict(vars(module)) for module in (time, datetime, moment, sys.modules[__name__])] == before
    assert time.time() > NEW_YEAR


def test_what_has_been_kept_of_a_virtual_clock_is_real_afterwards(scheduler: Scheduler) -> None:
    with virtual_clocks(scheduler):

        class Pool:
            clock = time.monotonic

        assert Pool().clock() == 1000.0
        kept = moment
    assert Pool().clock() != 1000.0
    assert abs(kept.now() - Before.datetime.now()) < datetime.timedelta(minutes=1)


def test_each_clock_has_one_stand_in() -> None:
    assert len({id(real) for real, _ in PAIRS}) == len({id(virtual) for _, virtual in PAIRS}) == len(PAIRS)


def test_a_thread_that_ran_before_sees_the_real_clocks(scheduler: Scheduler) -> None:
    may_look, seen = threading.Event(), []

    def look() -> None:
        may_look.wait()
        seen.extend((time.monotonic(), time.perf_counter(), time.time(), moment.now().year, moment.utcnow().day))

    thread = threading.Thread(target=look)
    thread.start()
    with virtual_clocks(scheduler):
        may_look.set()
        thread.join()
    today = Before.datetime.now(datetime.UTC)
    assert not {1000.0, float(NEW_YEAR)} & set(seen)
    assert seen[3:] == [today.year, today.day]


def test_a_module_that_is_imported_meanwhile_is_left_with_the_real_clock(scheduler: Scheduler) -> None:
    late = ModuleType("a_late_library")
    with virtual_clocks(scheduler):
        exec("from time import time; from datetime import datetime; now = time()", vars(late))
        sys.modules["a_late_library"] = late
        assert vars(late)["now"] == NEW_YEAR
    del sys.modules["a_late_library"]
    assert vars(late)["time"] is time.time
    assert vars(late)["datetime"] is Before.datetime


def test_two_simulations_cannot_have_the_clocks_at_once(scheduler: Scheduler) -> None:
    with virtual_clocks(scheduler):
        with pytest.raises(SimulationError, match="clocks of this process"), virtual_clocks(Scheduler()):
            raise AssertionError
        assert time.time() == NEW_YEAR


def test_the_methods_tell_real_time_outside() -> None:
    assert abs(CLOCKS.time() - time.time()) < 60
