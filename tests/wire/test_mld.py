import pytest

from halfopen.base.addresses import parse_address
from halfopen.base.errors import Malformed
from halfopen.wire import mld
from halfopen.wire.icmpv4 import Icmp

GROUP = parse_address("ff02::1:ff00:1")


def test_a_report_has_a_record_for_each_group() -> None:
    report = mld.emit_report([(mld.TO_EXCLUDE, GROUP), (mld.TO_INCLUDE, GROUP)])
    assert (report.type, report.code, report.rest) == (143, 0, 2)
    assert report.payload == b"\x04\0\0\0" + GROUP + b"\x03\0\0\0" + GROUP


@pytest.mark.parametrize(("code", "delay"), [(1000, 1000), (0x7FFF, 0x7FFF), (0x8000, 0x8000), (0x9ABC, 0x1ABC << 4)])
def test_a_query_tells_its_group_and_how_long_an_answer_may_take(code: int, delay: int) -> None:
    assert mld.parse_query(Icmp(130, 0, code << 16, GROUP + bytes(4))) == (GROUP, delay)


def test_a_query_without_a_group_is_malformed() -> None:
    with pytest.raises(Malformed, match="MldTruncated"):
        mld.parse_query(Icmp(130, 0, 0, bytes(15)))
