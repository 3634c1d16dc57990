import pytest

from halfopen.lab.places import CLIENT
from halfopen.lab.scenario import Settings
from halfopen.lab.trust import DONE, REFUSED, RHOSTS, Shell, TrustService, request, shell_command
from halfopen.lab.world import Layout, World


def test_echo_writes_appends_and_cat_reads() -> None:
    shell = Shell()
    assert shell.execute("echo one two > notes") == ""
    assert shell.execute("echo three >> notes") == ""
    assert shell.execute("cat notes") == "one two\nthree\n"
    shell.execute("echo four > notes")
    assert shell.execute("cat notes") == "four\n"


@pytest.mark.parametrize("command", ["", "rm -rf /", "cat", "cat nothing", "echo x"])
def test_what_is_no_command_does_nothing(command: str) -> None:
    shell = Shell()
    before = dict(shell.files)
    with pytest.raises(ValueError, match=r"not found|no such file"):
        shell.execute(command)
    assert shell.files == before


def test_trust_is_a_line_with_the_address_or_with_two_plus_signs() -> None:
    shell = Shell("192.0.2.1")
    assert shell.trusts("192.0.2.1")
    assert not shell.trusts("192.0.2.10")
    shell.execute(f"echo + + >> {RHOSTS}")
    assert shell.trusts("192.0.2.10")


def asked(command: str, *, trusted: str = CLIENT, port: int = 1023) -> tuple[bytes, TrustService]:
    with World(Settings(), Layout(attacker="none")) as world:
        service = TrustService(Shell(trusted))

        async def story() -> bytes:
            await service.start(world.server)
            return await shell_command(world.client, "server", command, port)

        return world.run(story()), service


def test_a_trusted_address_may_give_a_command() -> None:
    answer, service = asked("echo hello > greeting")
    assert answer == DONE
    assert service.shell.files["greeting"] == "hello\n"
    assert service.log == [(CLIENT, "echo hello > greeting")]
    assert service.counters["TrustExecuted"] == 1


def test_the_output_comes_back() -> None:
    assert asked(f"cat {RHOSTS}")[0] == DONE + b"192.0.2.1\n"


def test_another_address_may_not() -> None:
    answer, service = asked("echo hello > greeting", trusted="192.0.2.2")
    assert answer == REFUSED + b"Permission denied.\n"
    assert "greeting" not in service.shell.files
    assert service.counters["TrustRefused"] == 1


def test_a_port_that_is_not_reserved_may_not_either() -> None:
    assert asked("echo hello > greeting", port=5000)[0].startswith(REFUSED)


def test_an_error_is_told() -> None:
    answer, service = asked("format c:")
    assert answer == REFUSED + b"format: not found\n"
    assert service.counters["TrustErrors"] == 1


def test_half_a_request_is_counted_and_nothing_is_done() -> None:
    with World(Settings(), Layout(attacker="none")) as world:
        service = TrustService(Shell(CLIENT))

        async def story() -> None:
            await service.start(world.server)
            _, writer = await world.client.open_connection("server", 514, local_addr=("0.0.0.0", 1023))
            writer.write(request("echo hello > greeting")[:-3])
            writer.close()
            await world.at_rest()

        world.run(story())
        assert service.counters["TrustErrors"] == 1
        assert service.log == []
