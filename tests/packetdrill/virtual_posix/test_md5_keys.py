"""TCP_MD5SIG."""

import pytest

from tests.packetdrill.playing import plays

LISTENER = """
--tcp_md5_secret=hush
0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
"""


@pytest.mark.parametrize("ip_version", ["ipv4", "ipv6"])
def test_a_listener_with_a_key_speaks_to_who_has_it(ip_version: str) -> None:
    plays(
        LISTENER
        + """
+0 setsockopt(3, SOL_TCP, TCP_MD5SIG, {tcpm_key="hush"}, 216) = 0
+0 < S 0:0(0) win 32792 <mss 1000>
+.1 < S 0:0(0) win 32792 <mss 1000,nop,nop,md5 valid>
+0 > S. 0:0(0) ack 1 <...>
+.1 < . 1:1(0) ack 1 win 257
+.1 < . 1:1(0) ack 1 win 257 <nop,nop,md5 valid>
+0 accept(3, ..., ...) = 4
+0 write(4, ..., 100) = 100
+0 > P. 1:101(100) ack 1 <nop,nop,md5 valid>
""",
        ip_version=ip_version,
    )


def test_a_key_can_be_replaced_and_taken_back() -> None:
    plays(
        LISTENER
        + """
+0 setsockopt(3, SOL_TCP, TCP_MD5SIG, {tcpm_key=""}, 216) = -1 ENOENT
+0 setsockopt(3, SOL_TCP, TCP_MD5SIG, {tcpm_key="one"}, 216) = 0
+0 setsockopt(3, SOL_TCP, TCP_MD5SIG_EXT, {tcpm_key="two", tcpm_flags=1, tcpm_prefixlen=16}, 216) = 0
+0 setsockopt(3, SOL_TCP, TCP_MD5SIG, {tcpm_key="hush"}, 216) = 0
+0 setsockopt(3, SOL_TCP, TCP_MD5SIG, {tcpm_key=""}, 216) = 0
+0 setsockopt(3, SOL_TCP, TCP_MD5SIG_EXT, {tcpm_key="", tcpm_flags=1, tcpm_prefixlen=16}, 216) = 0
+0 < S 0:0(0) win 32792 <mss 1000>
+0 > S. 0:0(0) ack 1 <...>
"""
    )


def test_what_is_no_key_is_refused() -> None:
    plays(
        LISTENER
        + """
+0 setsockopt(3, SOL_TCP, TCP_MD5SIG, {tcpm_key="hush"}, 100) = -1 EINVAL
+0 setsockopt(3, SOL_TCP, TCP_MD5SIG, {tcpm_key="hush", tcpm_keylen=81}, 216) = -1 EINVAL
+0 setsockopt(3, SOL_TCP, TCP_MD5SIG_EXT, {tcpm_key="hush", tcpm_flags=1, tcpm_prefixlen=99}, 216) = -1 EINVAL
"""
    )
