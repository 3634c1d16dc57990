"""The pytest plugin: the fixture ``sim``, a network in virtual time, one for each test.

    async def test_the_pool_recovers(sim):
        server, client = sim.host("server"), sim.host("client")
        ...

The test's body runs on the network's own loop, also under pytest-asyncio and anyio. Options: ``--sim-seed``,
``--sim-seeds``, ``--sim-check``, ``--sim-pcap``, ``--sim-fault``. A test that fails shows the line that repeats it, its
last packets, the sockets of every host, and where the capture is.
"""

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Generator, Iterator, Mapping
from contextlib import ExitStack
from functools import wraps
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.runner import runtestprotocol  # The one way to run a test twice; pytest-rerunfailures goes it, too.

if TYPE_CHECKING:  # Nothing of ours is imported before a test asks for it: pytest starts in every project like this.
    from halfopen.sim.network import Network
    from halfopen.testing.history import History
    from halfopen.testing.simulation import Simulation

LoopFactory = Callable[[], asyncio.AbstractEventLoop]

ARTIFACTS = ".sim"
"""Where captures of failed tests go, below pytest's root, unless ``--sim-pcap`` says something else."""

SIMULATION = pytest.StashKey["Simulation"]()
"""The simulation of a test, from its set-up on."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of simulated networks."""
    group = parser.getgroup("halfopen", "simulated networks (fixture: sim)")
    group.addoption("--sim-seed", metavar="SEED", default="0", help="seed of every simulated network (default: 0)")
    group.addoption("--sim-seeds", metavar="N", type=int, help="run each test with N seeds: SEED, SEED+1, ...")
    group.addoption("--sim-check", action="store_true", help="run each test twice; fail at the first different packet")
    group.addoption("--sim-pcap", metavar="DIR", help="write a capture of every test, not only of those that fail")
    group.addoption("--sim-fault", metavar="PROFILE", default="", help="what links do that say nothing else: a profile"
        ' ("3g", "flaky-wifi", "lossy-5%%" ...) or netem\'s words ("delay 20ms loss 1%%")')  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    """Checks the options, and registers what needs to know which test is running."""
    config.addinivalue_line("markers", "sim(**options): arguments of the Network that the fixture `sim` makes")
    if (seeds := config.getoption("--sim-seeds")) is not None:
        if seeds < 1:
            raise pytest.UsageError(f"--sim-seeds is a number of at least 1, not {seeds}")
        if not config.getoption("--sim-seed").isdecimal():
            raise pytest.UsageError("--sim-seeds counts up from --sim-seed, which has to be a number then")
    config.pluginmanager.register(Simulations(config), "halfopen-simulations")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """``--sim-seeds``: each test once for each seed."""
    seeds: int | None = metafunc.config.getoption("--sim-seeds")
    if seeds is not None and "sim_seed" in metafunc.fixturenames:
        first = int(metafunc.config.getoption("--sim-seed"))
        numbers = range(first, first + seeds)
        metafunc.parametrize("sim_seed", [str(seed) for seed in numbers], ids=[f"seed{seed}" for seed in numbers])


@pytest.fixture
def sim_seed(request: pytest.FixtureRequest) -> str:
    """The seed of this test's network, as text."""
    return str(request.config.getoption("--sim-seed"))


@pytest.fixture
def sim(request: pytest.FixtureRequest, sim_seed: str) -> Iterator["Network"]:
    """A `halfopen.sim.network.Network` of this test's own: seeded, in virtual time, cut off from the real world."""
    simulation = simulation_of(request.node)
    with simulation.running():
        yield simulation.network


def simulation_of(item: pytest.Item) -> "Simulation":
    """The simulation of a test, made when the fixture, a loop factory or the report first asks for it."""
    found = item.stash.get(SIMULATION, None)
    if found is None:
        from halfopen.testing.simulation import Simulation, Wishes

        options: dict[str, Any] = {}
        for marker in item.iter_markers("sim"):
            options = {**marker.kwargs, **options}
        seed = _parameters(item).get("sim_seed", item.config.getoption("--sim-seed"))
        wishes = Wishes(
            nodeid=item.nodeid,
            seed=str(options.pop("seed", seed)),
            fault=item.config.getoption("--sim-fault"),
            keep_all=item.config.getoption("--sim-check") or item.config.getoption("--sim-pcap") is not None,
        )
        found = item.stash[SIMULATION] = Simulation(wishes, options)
    return found


def _parameters(item: pytest.Item) -> Mapping[str, object]:
    callspec = getattr(item, "callspec", None)
    return callspec.params if callspec is not None else {}


def _wants_simulation(item: pytest.Item) -> bool:
    return "sim" in getattr(item, "fixturenames", ())


class Simulations:
    """The hooks around each test that asks for ``sim``."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._item: pytest.Item | None = None
        self._last: History | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
        """``--sim-check``: runs the test twice, and compares."""
        if not (
            self._config.getoption("--sim-check") and isinstance(item, pytest.Function) and _wants_simulation(item)
        ):
            return None
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
        if all(report.passed for report in reports):
            before = self._last
            reports = runtestprotocol(item, log=False, nextitem=nextitem)
            if before is not None and self._last is not None:
                compare(reports, before, self._last)
        for report in reports:
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, object, object]:
        """Remembers which test is running: loops are made for it."""
        self._item = item if _wants_simulation(item) else None
        return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, object, object]:
        """Forgets the test's simulation."""
        try:
            return (yield)
        finally:
            self._item = None
            simulation = item.stash.get(SIMULATION, None)
            if simulation is not None:
                self._last = simulation.history
                del item.stash[SIMULATION]

    @pytest.hookimpl(tryfirst=True, wrapper=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> Generator[None, object, object]:
        """Runs the body of an ``async def`` in virtual time, if no other plugin runs it; with its end history ends."""
        if not _wants_simulation(pyfuncitem):
            return (yield)
        simulation, function = simulation_of(pyfuncitem), pyfuncitem.obj
        with ExitStack() as undo:
            undo.callback(setattr, pyfuncitem, "obj", function)
            undo.callback(simulation.history.stop)
            if type(pyfuncitem) is not pytest.Function:  # pytest-asyncio's own kind, which has a loop of the network's.
                undo.enter_context(simulation.network.isolation())
            elif not inspect.iscoroutinefunction(function):
                pass
            elif "anyio_backend" in pyfuncitem.fixturenames:
                undo.enter_context(simulation.network.isolation())
                pyfuncitem.obj = _stopping(function, simulation)
            else:
                pyfuncitem.obj = lambda **arguments: simulation.network.run(function(**arguments))
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Generator[None, Any, Any]:
        """anyio's backend asyncio runs a test with ``sim`` on its network's loop."""
        value = yield
        if fixturedef.argname == "anyio_backend" and fixturedef.cached_result is not None:
            name, options = (value, {}) if isinstance(value, str) else value
            if name == "asyncio" and "loop_factory" not in options:
                value = (name, {**options, "loop_factory": self.make_loop})
                fixturedef.cached_result = (value, fixturedef.cached_result[1], None)
        return value

    @pytest.hookimpl(optionalhook=True, trylast=True)
    def pytest_asyncio_loop_factories(self, config: pytest.Config, item: pytest.Item) -> Mapping[str, LoopFactory]:
        """pytest-asyncio runs a test with ``sim`` on its network's loop, and other tests as always."""
        return {"asyncio": self.make_loop}

    def make_loop(self) -> asyncio.AbstractEventLoop:
        """The loop of the running test's network; an ordinary one if it has none."""
        if self._item is None:
            return asyncio.new_event_loop()
        return simulation_of(self._item).network.loop

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Adds to a failure what the network was doing, while its hosts are still there."""
        report = yield
        simulation = item.stash.get(SIMULATION, None)
        if simulation is None or call.when != "call":
            return report
        directory = self._config.getoption("--sim-pcap")
        if report.failed:
            place = directory or str(self._config.rootpath / ARTIFACTS)
            report.sections.append(("simulated network", simulation.describe_failure(place)))
        elif directory is not None:
            simulation.save(directory)
        return report


def _stopping(function: Callable[..., Coroutine[Any, Any, None]], simulation: "Simulation") -> Callable[..., object]:
    """``function``, with whose end history ends: anyio closes its loop at once, and cancels in no order."""

    @wraps(function)
    async def stopping(**arguments: Any) -> None:
        try:
            await function(**arguments)
        finally:
            simulation.history.stop()

    return stopping


def compare(reports: list[pytest.TestReport], before: "History", after: "History") -> None:
    """Makes the test fail if its two runs were not the same."""
    from halfopen.testing.history import first_difference

    difference = first_difference(before.sightings, after.sightings)
    if difference is None:
        return
    for report in reports:
        if report.when == "call" and report.passed:
            report.outcome = "failed"
            report.longrepr = f"not deterministic: {difference}"
