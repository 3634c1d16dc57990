import pytest

from halfopen.packetdrill.addressing import default_addressing
from halfopen.packetdrill.icmp_lines import icmp_message, type_and_code
from halfopen.packetdrill.mapping import Unmapped
from halfopen.packetdrill.script import IcmpLine
from halfopen.wire import icmpv4


@pytest.mark.parametrize(
    ("line", "is_ipv6", "numbers"),
    [
        (IcmpLine("unreachable", "port_unreachable"), False, (3, 3)),
        (IcmpLine("unreachable", "precedence_cutoff"), False, (3, 15)),
        (IcmpLine("unreachable", "port_unreachable"), True, (1, 4)),
        (IcmpLine("time_exceeded"), False, (11, 0)),
        (IcmpLine("time_exceeded", "exceeded_frag_time"), True, (3, 1)),
        (IcmpLine("type_200", "code_9"), False, (200, 9)),
    ],
)
def test_names_are_numbers(line: IcmpLine, is_ipv6: bool, numbers: tuple[int, int]) -> None:
    assert type_and_code(line, is_ipv6=is_ipv6) == numbers


@pytest.mark.parametrize("name", ["type_256", "type_", "nonsense"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(Unmapped, match=name):
        type_and_code(IcmpLine(name), is_ipv6=False)


def test_an_echo_has_its_identifier_and_octets() -> None:
    message = icmp_message(IcmpLine("echo_request", id=7, raw_octets=12), b"", default_addressing("ipv4"))
    told = icmpv4.parse(message)
    assert (told.rest >> 16, told.payload) == (7, bytes(12))
