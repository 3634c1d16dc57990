import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from halfopen.sim.aliases import is_spared, replaced, replaced_in


class Things:
    """Held where no module walk finds them."""

    one, two = object(), object()


PAIRS = [(Things.one, Things.two)]


@pytest.fixture
def library() -> Iterator[ModuleType]:
    with module("a_library") as made:
        yield made


class module:
    """A module that is loaded while the block runs."""

    def __init__(self, name: str) -> None:
        self.made = ModuleType(name)

    def __enter__(self) -> ModuleType:
        sys.modules[self.made.__name__] = self.made
        return self.made

    def __exit__(self, *exception: object) -> None:
        del sys.modules[self.made.__name__]


def test_an_alias_is_replaced_whatever_it_is_called(library: ModuleType) -> None:
    library.__dict__.update(first=Things.one, another=Things.one, third=3)
    with replaced(PAIRS):
        assert vars(library)["first"] is vars(library)["another"] is Things.two
        assert vars(library)["third"] == 3
    assert vars(library)["first"] is vars(library)["another"] is Things.one


def test_it_is_undone_after_an_error(library: ModuleType) -> None:
    library.__dict__.update(first=Things.one)
    with pytest.raises(KeyError), replaced(PAIRS):
        raise KeyError
    assert vars(library)["first"] is Things.one


def test_a_module_that_is_imported_meanwhile_gets_the_real_thing_in_the_end() -> None:
    with replaced(PAIRS):
        late = ModuleType("a_late_library")
        late.__dict__["first"] = Things.two
        sys.modules["a_late_library"] = late
    assert vars(late)["first"] is Things.one
    del sys.modules["a_late_library"]


def test_a_name_that_a_module_takes_on_meanwhile_gets_the_real_thing_in_the_end(library: ModuleType) -> None:
    with replaced(PAIRS):
        library.__dict__["kept"] = Things.two
    assert vars(library)["kept"] is Things.one


def test_what_a_module_had_on_purpose_stays(library: ModuleType) -> None:
    library.__dict__["second"] = Things.two
    with replaced(PAIRS):
        assert vars(library)["second"] is Things.two
    assert vars(library)["second"] is Things.two


@pytest.mark.parametrize("name", ["threading", "asyncio.base_events", "_pytest.timing", "halfopen.sim.clocks"])
def test_who_serves_real_threads_or_watches_is_spared(name: str) -> None:
    assert is_spared(name)


@pytest.mark.parametrize("name", ["aiohttp.connector", "time", "threading_tools"])
def test_libraries_are_not_spared(name: str) -> None:
    assert not is_spared(name)


def test_a_spared_module_keeps_its_names() -> None:
    with module("xdist.something") as spared:
        vars(spared)["first"] = Things.one
        with replaced(PAIRS):
            assert vars(spared)["first"] is Things.one


def test_one_module_can_be_chosen_though_it_is_spared() -> None:
    with module("xdist.something") as spared:
        vars(spared)["first"] = Things.one
        with replaced_in(vars(spared), PAIRS):
            assert vars(spared)["first"] is Things.two
        assert vars(spared)["first"] is Things.one
