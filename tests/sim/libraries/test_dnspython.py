import dns.asyncresolver
import dns.resolver
import pytest

from tests.sim.libraries.fakes.dns import Dns
from tests.sim.libraries.world import Lab, Scenario, play


def question(deaf: int) -> Scenario[tuple[str, float]]:
    async def scenario(lab: Lab) -> tuple[str, float]:
        await lab.serve(Dns("192.0.2.80", deaf).start())
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers = ["192.0.2.2"]
        answer = await resolver.resolve("www.example.org", "A")
        return answer[0].to_text(), lab.now

    return scenario


async def silence(lab: Lab) -> float:
    await lab.serve(Dns("192.0.2.80").start())
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers = ["192.0.2.2"]
    await resolver.resolve("www.example.org", "A")
    lab.server.power_off()
    began = lab.now
    with pytest.raises(dns.resolver.LifetimeTimeout):
        await resolver.resolve("www.example.org", "A")
    return lab.now - began


def test_a_question_is_answered() -> None:
    address, took = play(question(deaf=0))
    assert address == "192.0.2.80"
    assert took == pytest.approx(0.12, abs=1e-4)  # ARP both ways, question and answer.


def test_a_question_is_asked_again_after_two_seconds() -> None:
    address, took = play(question(deaf=1))
    assert address == "192.0.2.80"
    assert took == pytest.approx(0.04 + 2 + 0.1 + 0.04, abs=1e-4)  # ARP, the time-out, a moment's sleep, the answer.


def test_a_resolver_gives_up_after_its_lifetime() -> None:
    # The last question ends after 5 s; then it sleeps for 0.4 s before it sees that.
    assert play(silence) == pytest.approx(5.4, abs=1e-6)
