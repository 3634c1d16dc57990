import pytest

from halfopen.packetdrill.errors import ScriptError
from halfopen.packetdrill.script import AnyOf, Applied, Call, Omitted, Structure, Value, Vector, Word
from tests.packetdrill.parsing import call, events


def argument(text: str) -> Value:
    (value,) = call(f"f({text}) = 0").arguments
    return value


def test_a_call_has_a_name_arguments_and_a_result() -> None:
    assert call("socket(..., SOCK_STREAM, IPPROTO_TCP) = 3") == Call(
        "socket", (Omitted(), Word("SOCK_STREAM"), Word("IPPROTO_TCP")), 3
    )
    assert call("fork() = 0").arguments == ()


@pytest.mark.parametrize(
    ("text", "result", "errno", "note"),
    [
        ("0", 0, None, None),
        ("-1 EAGAIN (Resource temporarily unavailable)", -1, "EAGAIN", "Resource temporarily unavailable"),
        ("-1 ECONNREFUSED (...)", -1, "ECONNREFUSED", "..."),
        ("-1 EADDRNOTAVAIL (Can't assign requested address)", -1, "EADDRNOTAVAIL", "Can't assign requested address"),
        ("-1 (whatever it is)", -1, None, "whatever it is"),
        ("-1 EINVAL", -1, "EINVAL", None),
        ("0x2 (flags O_RDWR)", 2, None, "flags O_RDWR"),
        ("0x802 (flags O_RDWR|O_NONBLOCK (really))", 0x802, None, "flags O_RDWR|O_NONBLOCK (really)"),
        ("1 (a) (b)", 1, None, "a; b"),
        ("O_RDWR", Word("O_RDWR"), None, None),
        ("O_RDWR|O_NONBLOCK", AnyOf((Word("O_RDWR"), Word("O_NONBLOCK"))), None, None),
        ("...", Omitted(), None, None),
        ("?", Omitted(), None, None),
    ],
)
def test_a_result_may_have_an_error_and_notes(text: str, result: Value, errno: str | None, note: str | None) -> None:
    told = call(f"fcntl(3, F_GETFL) = {text}")
    assert (told.result, told.errno, told.note) == (result, errno, note)


def test_the_result_ends_where_the_time_of_the_next_event_begins() -> None:
    first, second, third = events("0 close(3) = 0\n0 close(4) = -1 EBADF (Bad file descriptor)\n+0 close(5) = 0")
    assert isinstance(third.action, Call)
    assert third.action.arguments == (5,)
    assert isinstance(first.action, Call)
    assert isinstance(second.action, Call)
    assert second.action.errno == "EBADF"


def test_the_error_may_be_a_symbol_of_the_user() -> None:
    assert call("close(3) = -1 ERR", ERR="EBADF").errno == "EBADF"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("-1", -1),
        ("0xff", 255),
        ("NULL", Word("NULL")),
        ("...", Omitted()),
        ("[1]", Vector((1,))),
        ("[[ECONNRESET]]", Vector((Vector((Word("ECONNRESET"),)),))),
        ("[]", Vector(())),
        ('"abc" "def"', "abcdef"),
        (r'"\x00a"', "\0a"),
        ("MSG_DONTWAIT|0x20|3", AnyOf((Word("MSG_DONTWAIT"), 32, 3))),
        ("192.0.2.1", bytes([192, 0, 2, 1])),
        ("2001:db8::1", bytes.fromhex("20010db8000000000000000000000001")),
        ('inet_addr("192.0.2.1")', Applied("inet_addr", ("192.0.2.1",))),
        (
            '{sa_family = AF_INET, sin_port = htons(8080), sin_addr = inet_addr("192.0.2.1")}',
            Structure(
                (
                    ("sa_family", Word("AF_INET")),
                    ("sin_port", Applied("htons", (8080,))),
                    ("sin_addr", Applied("inet_addr", ("192.0.2.1",))),
                )
            ),
        ),
        (
            "[{..., 40}, {..., 0}]",
            Vector((Structure((("", Omitted()), ("", 40))), Structure((("", Omitted()), ("", 0))))),
        ),
        ("{onoff=1, linger=0}", Structure((("onoff", 1), ("linger", 0)))),
        (
            "[{fd=4, events=POLLOUT, revents=POLLOUT|POLLERR}]",
            Vector(
                (
                    Structure(
                        (
                            ("fd", 4),
                            ("events", Word("POLLOUT")),
                            ("revents", AnyOf((Word("POLLOUT"), Word("POLLERR")))),
                        )
                    ),
                )
            ),
        ),
        ("{events=EPOLLIN, u64=0x1}", Structure((("events", Word("EPOLLIN")), ("u64", 1)))),
        (
            "{tcpi_state=TCPI_ESTABLISHED, tcpi_rtt=10,}",
            Structure((("tcpi_state", Word("TCPI_ESTABLISHED")), ("tcpi_rtt", 10))),
        ),
        ("18446744073709551615", (1 << 64) - 1),
    ],
)
def test_an_argument_is_read(text: str, value: Value) -> None:
    assert argument(text) == value


def test_a_message_header_has_vectors_flags_and_control_messages() -> None:
    message = argument(
        """{msg_name(...)=..., msg_iov(2)=[{..., 4}, {..., 5}], msg_flags=MSG_ERRQUEUE,
            msg_control=[{cmsg_level=SOL_IP, cmsg_type=IP_RECVERR,
                          cmsg_data={ee_errno=ENOMEM, ee_origin=5, ee_info=0}},
                         {cmsg_level=SOL_TCP, cmsg_type=TCP_CM_INQ, cmsg_data=12},
                         {cmsg_level=SOL_SOCKET, cmsg_type=SCM_TIMESTAMPING, cmsg_data={scm_sec=0,scm_nsec=200000000}},
                         {cmsg_level=SOL_SOCKET, cmsg_type=SCM_X, cmsg_data=[{TCP_NLA_Y=2}, {...}]}]}"""
    )
    assert isinstance(message, Structure)
    fields = dict(message.fields)
    assert list(fields) == ["msg_name", "msg_iov", "msg_flags", "msg_control"]
    assert fields["msg_iov"] == Vector((Structure((("", Omitted()), ("", 4))), Structure((("", Omitted()), ("", 5)))))
    control = fields["msg_control"]
    assert isinstance(control, Vector)
    data = [dict(item.fields)["cmsg_data"] for item in control.items if isinstance(item, Structure)]
    assert data == [
        Structure((("ee_errno", Word("ENOMEM")), ("ee_origin", 5), ("ee_info", 0))),
        12,
        Structure((("scm_sec", 0), ("scm_nsec", 200_000_000))),
        Vector((Structure((("TCP_NLA_Y", 2),)), Structure((("", Omitted()),)))),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("close(3)", "expected '='"),
        ("close(3", "expected ',' or '\\)'"),
        ("close(3 4) = 0", "expected ',' or '\\)'"),
        ("close(3,,4) = 0", "expected a value"),
        ("close(3) =", "expected a value"),
        ("close(3) = [1]", "the result of a call"),
        ("close = 3", "expected '\\('"),
        ("f({3=4}) = 0", "expected ',' or '}'"),
        ("f(1.5) = 0", "expected a value"),
        ("f(18446744073709551616) = 0", "64-bit"),
        ("f(" + "1" * 5000 + ") = 0", "64-bit"),
        ("f(" + "[" * 5000, "inside each other"),
        ("f(" + "a(" * 5000, "inside each other"),
        ("f() = -1 (unclosed", "expected '\\)'"),
        ("f(') = 0", "expected a value"),
    ],
)
def test_a_call_that_cannot_be_is_refused(text: str, message: str) -> None:
    with pytest.raises(ScriptError, match=message):
        call(text)
