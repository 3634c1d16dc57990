import pytest

from halfopen.packetdrill.errors import Mismatch, Unsupported
from tests.packetdrill.hosts import Host

ADD = 'add 192.0.2.1 198.51.100.7 tcp 0x1000 -A tcp-md5 "word";'


@pytest.mark.parametrize(
    "text", [f"setkey -c <<EOF\n{ADD}\nEOF", f"echo '{ADD}' | setkey -c", f"echo '{ADD}' > f; setkey -f f"]
)
def test_a_key_is_for_the_peer(text: str) -> None:
    host = Host("freebsd")
    host.run(text)
    assert [(key.secret, key.peer) for key in host.shell.host.keys] == [(b"word", "198.51.100.7")]
    assert host.stack.tcp.paths.guard is not None


def test_the_other_direction_is_the_same_connection() -> None:
    host = Host("freebsd")
    host.run("echo 'add 198.51.100.7 192.0.2.1 tcp 0x1000 -A tcp-md5 0x6162;' | setkey -c")
    assert not host.shell.host.keys


@pytest.mark.parametrize("text", ["setkey -F", "echo 'flush;' | setkey -c"])
def test_keys_can_be_taken_back(text: str) -> None:
    host = Host("freebsd")
    host.run(f"echo '{ADD}' | setkey -c; {text}; setkey -D")
    assert not host.shell.host.keys


@pytest.mark.parametrize("text", ["setkey -x", "echo 'spdadd a b;' | setkey -c", "echo 'add a b esp 1;' | setkey -c"])
def test_other_associations_are_not_known(text: str) -> None:
    with pytest.raises(Unsupported):
        Host("freebsd").run(text)


def test_an_address_is_needed() -> None:
    with pytest.raises(Mismatch, match="no address"):
        Host("freebsd").run("echo 'add here there tcp 0x1000 -A tcp-md5 word;' | setkey -c")
