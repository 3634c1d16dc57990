"""What all stacks are asked: how fast they take and give octets, and how many connections a second they serve."""

import subprocess
from collections.abc import Callable
from functools import partial

from bench import simulation
from bench.others.build import CLIENT, COMPILED, INTERPRETED, NS3, build_in, run_in
from bench.others.subjects import SUBJECTS, Subject, World
from bench.question import OURS, Measure, Question, Unavailable
from bench.services import ANSWER, CHARGEN, DISCARD
from bench.worlds import Peer, Program

SECONDS = 2.0
AT_ONCE = 64
NS3_SECONDS = 120

Client = Callable[[World], float]


def push(world: World) -> float:
    """Bits per second from a client on the kernel to the stack, until the stack has taken the last octet."""
    with world() as (client, address):
        return 8 * _figure(Peer(client, "push", address, str(DISCARD), str(SECONDS)))


def pull(world: World) -> float:
    """Bits per second from the stack to a client on the kernel."""
    with world() as (client, address):
        return 8 * _figure(Peer(client, "pull", address, str(CHARGEN), str(SECONDS)))


def request(world: World) -> float:
    """Connections a second, each with one request and its answer."""
    with world() as (client, address):
        return _figure(Peer(client, "ask", address, str(SECONDS), str(AT_ONCE), str(ANSWER)))


def request_in_c(world: World) -> float:
    """The same with a client in C, which is not the slower side."""
    path = CLIENT.compiled()
    with world() as (client, address):
        return _figure(Program(client, [path, address, str(SECONDS), str(AT_ONCE), str(ANSWER)]))


def _figure(client: Program) -> float:
    with client:
        try:
            figure = client.figure()
        except (ValueError, subprocess.TimeoutExpired):
            raise Unavailable("stalls or breaks off: the client gets no further") from None
    if not figure:
        raise Unavailable("stalls: the client gets nothing")
    return figure


REQUESTS = (request, request_in_c)


def _measure(subject: Subject, world: World, client: Client) -> float:
    """A failure of another's stack is an answer; one of ours is an error."""
    try:
        return client(world)
    except (Unavailable, RuntimeError, OSError) as failure:
        if subject.name.startswith(OURS) and not isinstance(failure, Unavailable):
            raise
        raise Unavailable(str(failure)) from None


def _subjects(which: str, client: Client) -> dict[str, Measure]:
    worlds = {subject: getattr(subject, which) for subject in SUBJECTS if client not in REQUESTS or subject.answers}
    return {subject.name: partial(_measure, subject, world, client) for subject, world in worlds.items() if world}


def _question(name: str, says: str, which: str, client: Client) -> Question:
    return Question(
        name=name,
        says=says,
        unit="1/s" if client in REQUESTS else "bit/s",
        subjects=_subjects(which, client),
        builds={subject.name: subject.build for subject in SUBJECTS},
    )


def ns3(network: str, flows: int) -> float:
    """Data segments a second on ns-3."""
    command = [NS3.compiled(), network, str(simulation.SEGMENTS), str(flows)]
    try:
        return float(subprocess.run(command, capture_output=True, timeout=NS3_SECONDS, check=True).stdout)
    except subprocess.SubprocessError as failure:
        raise Unavailable(f"ns-3 fails: {failure}") from None


def ours(environment: str, measure: str) -> float:
    """Data segments a second on our simulation, by the name of the function that measures them."""
    return float(run_in(environment, f"from bench import simulation; print(simulation.{measure}())"))


def _simulated(network: str, says: str, flows: int, measure: str, manner: str = "") -> Question:
    environments = {OURS: COMPILED, f"{OURS}-interpreted": INTERPRETED}
    subjects: dict[str, Measure] = {
        name: partial(ours, environment, measure) for name, environment in environments.items()
    }
    builds = {name: partial(build_in, environment) for name, environment in environments.items()}
    return Question(
        name=f"peers-simulated-{network}{manner}",
        says=f"simulated data segments a second of wall time, {says}",
        unit="1/s",
        subjects=subjects | {"ns-3": partial(ns3, network, flows)},
        builds=builds | {"ns-3": lambda: NS3.build},
    )


BEST = "each stack in its best mode"
FRAMES = "1500-octet frames without offloads"
DUMBBELL = "a dumbbell of three hops"
SUPER = "halfopen's in super-segments"

QUESTIONS = (
    _question("peers-from-kernel", f"from the kernel, {BEST}", "best", push),
    _question("peers-to-kernel", f"to the kernel, {BEST}", "best", pull),
    _question("peers-from-kernel-frames", f"from the kernel, {FRAMES}", "frames", push),
    _question("peers-to-kernel-frames", f"to the kernel, {FRAMES}", "frames", pull),
    _question("peers-connections", f"connections a second, {AT_ONCE} at once, client in Python", "best", request),
    _question("peers-connections-c", f"connections a second, {AT_ONCE} at once, client in C", "best", request_in_c),
    _simulated("bulk", "one flow", 1, "one_cable"),
    _simulated("dumbbell", f"{simulation.FLOWS} flows, {DUMBBELL}", simulation.FLOWS, "dumbbell"),
    _simulated("bulk", f"one flow, {SUPER}", 1, "one_cable_super", "-super"),
    _simulated(
        "dumbbell", f"{simulation.FLOWS} flows, {DUMBBELL}, {SUPER}", simulation.FLOWS, "dumbbell_super", "-super"
    ),
)
