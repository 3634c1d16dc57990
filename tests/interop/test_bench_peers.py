"""That the stacks which halfopen is compared with do serve: a figure of a peer that fails would flatter us."""

import pytest

from bench.others import questions
from bench.others.build import PEERS, python
from bench.others.subjects import SUBJECTS, Subject
from bench.question import Unavailable

pytestmark = [pytest.mark.root, pytest.mark.needs("gcc"), pytest.mark.device("/dev/net/tun")]


def subject(name: str) -> Subject:
    return next(subject for subject in SUBJECTS if subject.name == name)


@pytest.mark.parametrize("client", [questions.push, questions.pull, questions.request, questions.request_in_c])
@pytest.mark.parametrize("name", ["c-responder", "kernel-asyncio", "halfopen-interpreted"])
def test_a_stack_serves_each_client(monkeypatch: pytest.MonkeyPatch, name: str, client: questions.Client) -> None:
    monkeypatch.setattr(questions, "SECONDS", 0.2)
    world = subject(name).best
    assert world is not None
    assert client(world) > 0


def test_an_environment_that_was_not_made_makes_its_stacks_unavailable() -> None:
    with pytest.raises(Unavailable, match="make bench-peers"):
        python(f"{PEERS}-of-nobody")
