"""The plugin as its users meet it: tests of theirs, run by pytest."""

from pathlib import Path

import pytest

ECHO = """
import asyncio
import os
import time
import pytest

async def echo(reader, writer):
    while octets := await reader.read(100):
        writer.write(octets)
    writer.close()

async def ask(words=b"hello"):
    reader, writer = await asyncio.open_connection("server", 7)
    writer.write(words)
    answer = await reader.readexactly(len(words))
    writer.close()
    await writer.wait_closed()
    return answer

async def exchange(sim, words=b"hello"):
    server, client = sim.host("server"), sim.host("client")
    sim.link(client, server, "delay 20ms")
    await server.run(asyncio.start_server(echo, port=7))
    assert await client.run(ask(words)) == words
"""

QUIET = ("-p", "no:cacheprovider", "-p", "no:xdist", "-o", "asyncio_default_fixture_loop_scope=function")


def run(pytester: pytest.Pytester, source: str, *options: str) -> pytest.RunResult:
    pytester.makepyfile(ECHO + source)
    return pytester.runpytest_inprocess(*QUIET, *options)


SEVERAL = """
async def test_one(sim):
    await exchange(sim)
    assert sim.elapsed == pytest.approx(0.16, abs=0.01)

{marker}
async def test_two(sim):
    began = time.monotonic()
    await asyncio.sleep(3600)
    assert time.monotonic() - began == pytest.approx(3600)
    await exchange(sim)

def test_without_async(sim):
    sim.run(exchange(sim))
"""


@pytest.mark.parametrize("marker", ["", "@pytest.mark.asyncio", "@pytest.mark.anyio"])
def test_tests_run_on_the_network_s_loop_whoever_runs_them(pytester: pytest.Pytester, marker: str) -> None:
    pytester.makeconftest("import pytest\n@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n")
    result = run(pytester, SEVERAL.format(marker=marker))
    result.assert_outcomes(passed=3)


def test_tests_without_a_network_run_as_always_beside_it(pytester: pytest.Pytester) -> None:
    source = """
@pytest.mark.asyncio
async def test_real():
    assert type(asyncio.get_running_loop()).__name__ != "SimLoop"
    await asyncio.sleep(0.001)

@pytest.mark.asyncio
async def test_simulated(sim):
    assert asyncio.get_running_loop() is sim.loop
    await exchange(sim)
"""
    run(pytester, source).assert_outcomes(passed=2)


def test_async_fixtures_of_pytest_asyncio_are_on_the_network_s_loop(pytester: pytest.Pytester) -> None:
    source = """
import pytest_asyncio

@pytest_asyncio.fixture
async def server(sim):
    server = sim.host("server")
    await server.run(asyncio.start_server(echo, port=7))
    yield server

@pytest.mark.asyncio
async def test_asks(sim, server):
    client = sim.host("client")
    sim.link(client, server)
    assert await client.run(ask()) == b"hello"
"""
    run(pytester, source).assert_outcomes(passed=1)


FAILING = """
async def test_fails(sim):
    await exchange(sim)
    sim.hosts["server"].power_off()
    assert False, "on purpose"
"""


def test_a_failure_shows_seed_command_ladder_sockets_and_capture(pytester: pytest.Pytester) -> None:
    result = run(pytester, FAILING, "--sim-seed=7", f"--sim-pcap={pytester.path}/captures")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*simulated network*",
            "seed 7, failed at 0.160* s of virtual time; to repeat it:",
            "    pytest '*.py::test_fails' --sim-seed=7",
            "*client:*server:7*",
            "0.120000 *PSH,ACK*len=5*",
            "server:",
            "client:",
            "capture: *captures*test_fails-7.pcapng",
        ]
    )
    assert list(Path(pytester.path, "captures").glob("*.pcapng"))


@pytest.mark.needs("tshark")
def test_the_capture_of_a_failure_is_one(pytester: pytest.Pytester) -> None:
    import subprocess

    run(pytester, FAILING, f"--sim-pcap={pytester.path}/captures")
    (capture,) = Path(pytester.path, "captures").glob("*.pcapng")
    shown = subprocess.run(["tshark", "-r", str(capture), "-Y", "tcp.len == 5"], capture_output=True, text=True)
    assert shown.returncode == 0
    # The word and its echo, each seen at both ends.
    assert len(shown.stdout.splitlines()) == 4


def test_without_a_packet_a_failure_says_so(pytester: pytest.Pytester) -> None:
    result = run(pytester, "async def test_fails(sim):\n    assert False\n", "--sim-fault=3g")
    result.stdout.fnmatch_lines(["*--sim-seed=0 --sim-fault='3g'", "No packet was on any cable."])


def test_a_deadlock_names_who_waits(pytester: pytest.Pytester) -> None:
    source = """
async def test_waits(sim):
    host = sim.host("lonely")
    await host.run(asyncio.Event().wait())
"""
    result = run(pytester, source)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*SimulationError: deadlock at *", "*lonely*Event.wait*"])


def test_many_seeds_are_many_tests(pytester: pytest.Pytester) -> None:
    source = """
async def test_rolls(sim):
    assert sim.seed != 12

async def test_again(sim):
    assert os.urandom(4) != b"none"
"""
    result = run(pytester, source, "--sim-seed=10", "--sim-seeds=4", "-v")
    result.assert_outcomes(passed=7, failed=1)
    result.stdout.fnmatch_lines(["*test_rolls?seed12? FAILED*", "    pytest '*::test_rolls' --sim-seed=12"])


def test_the_same_seed_is_the_same_chance_and_another_is_another(pytester: pytest.Pytester) -> None:
    source = """
def test_chance(sim):
    async def main():
        return os.urandom(8).hex()
    print("chance", sim.run(main()))
"""
    outputs = [
        next(line for line in run(pytester, source, "-s", f"--sim-seed={seed}").outlines if "chance " in line)
        for seed in (1, 1, 2)
    ]
    assert outputs[0] == outputs[1] != outputs[2]


def test_a_test_that_is_the_same_twice_passes_the_check(pytester: pytest.Pytester) -> None:
    result = run(pytester, "async def test_same(sim):\n    await exchange(sim, os.urandom(50))\n", "--sim-check")
    result.assert_outcomes(passed=1)


def test_a_test_that_is_not_the_same_twice_shows_the_first_different_packet(pytester: pytest.Pytester) -> None:
    source = """
RUNS = []
async def test_other(sim):
    RUNS.append(None)
    await exchange(sim, b"run %d" % len(RUNS))
"""
    result = run(pytester, source, "--sim-check")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["not deterministic: the two runs part at packet *", "  before it, in both: *", "*offset *run 1*run 2*"]
    )


def test_a_run_that_ends_early_is_different(pytester: pytest.Pytester) -> None:
    source = """
RUNS = []
async def test_shorter(sim):
    RUNS.append(None)
    if len(RUNS) == 1:
        await exchange(sim)
"""
    result = run(pytester, source, "--sim-check")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*packet 1", "  second run: has ended"])


def test_a_profile_impairs_links_that_say_nothing(pytester: pytest.Pytester) -> None:
    source = """
async def test_slow(sim):
    server, client = sim.host("server"), sim.host("client")
    await server.run(asyncio.start_server(echo, port=7))
    began = sim.elapsed
    await client.run(ask())
    print("took", sim.elapsed - began)
"""
    plain, slow = (
        float(next(line for line in run(pytester, source, "-s", *options).outlines if "took " in line).split()[-1])
        for options in ((), ("--sim-fault=satellite",))
    )
    assert plain < 0.001
    assert slow > 1.2


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--sim-seeds=0", "*--sim-seeds is a number of at least 1, not 0*"),
        ("--sim-fault=4gg", "*4gg*3g*"),
    ],
)
def test_an_option_that_cannot_be_meant_is_an_error_that_says_why(
    pytester: pytest.Pytester, option: str, said: str
) -> None:
    result = run(pytester, "async def test_x(sim):\n    pass\n", option)
    assert result.ret != 0
    (result.stderr if result.ret == pytest.ExitCode.USAGE_ERROR else result.stdout).fnmatch_lines([said])


def test_seeds_that_are_words_cannot_be_counted(pytester: pytest.Pytester) -> None:
    result = run(pytester, "", "--sim-seed=tuesday", "--sim-seeds=3")
    result.stderr.fnmatch_lines(["*--sim-seeds counts up from --sim-seed, which has to be a number then*"])


def test_options_of_the_network_come_from_the_marker(pytester: pytest.Pytester) -> None:
    source = """
@pytest.mark.sim(seed="a word", words="delay 1s", isolated=False)
async def test_marked(sim):
    assert sim.seed == "a word"
    assert time.time() > 1_700_000_000
"""
    run(pytester, source, "--strict-markers").assert_outcomes(passed=1)


def test_an_escape_names_the_library(pytester: pytest.Pytester) -> None:
    source = """
import urllib.request

async def test_escapes(sim):
    host = sim.host("client")
    async def fetch():
        time.sleep(1)
    await host.run(fetch())
"""
    result = run(pytester, source)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*EscapeError*sleep*"])
