"""The error queue: zero-copy completions and transmit timestamps."""

from tests.packetdrill.playing import SERVER, plays

TAKE = (
    "+0 recvmsg(4, {msg_name(...)=..., msg_iov(1)=[{..., 0}], msg_flags=MSG_ERRQUEUE, msg_control=[%s]}, "
    "MSG_ERRQUEUE) = 0\n"
)
COPIED = (
    "{cmsg_level=SOL_IP, cmsg_type=IP_RECVERR, cmsg_data={ee_errno=0, ee_origin=SO_EE_ORIGIN_ZEROCOPY, ee_type=0, "
    "ee_code=SO_EE_CODE_ZEROCOPY_COPIED, ee_info=%d, ee_data=%d}}"
)
NOTHING = "+0 recvmsg(4, {msg_name(...)=..., msg_iov(1)=[{..., 0}], msg_flags=0}, MSG_ERRQUEUE) = -1 EAGAIN\n"


def test_octets_that_are_acknowledged_are_the_programs_again() -> None:
    plays(
        SERVER
        + "+0 setsockopt(4, SOL_SOCKET, SO_ZEROCOPY, [1], 4) = 0\n"
        + "+0 setsockopt(4, SOL_SOCKET, SO_ZEROCOPY, [2], 4) = -1 EINVAL\n"
        + "+0 send(4, ..., 1000, MSG_ZEROCOPY) = 1000\n+0 > P. 1:1001(1000) ack 1\n"
        + "+0 send(4, ..., 1000, MSG_ZEROCOPY) = 1000\n+0 > P. 1001:2001(1000) ack 1\n"
        + NOTHING
        + "+.1 < . 1:1(0) ack 2001 win 1000\n"
        + "+0 poll([{fd=4, events=POLLIN, revents=POLLERR}], 1, 0) = 1\n"
        + TAKE % (COPIED % (0, 1))
        + NOTHING
    )


def test_a_send_without_the_option_tells_nothing() -> None:
    plays(
        SERVER
        + "+0 send(4, ..., 10, MSG_ZEROCOPY) = 10\n+0 > P. 1:11(10) ack 1\n+.1 < . 1:1(0) ack 11 win 9\n"
        + NOTHING
    )


def test_sending_and_acknowledgment_are_stamped_with_the_last_octets_number() -> None:
    stamp = (
        "{cmsg_level=SOL_SOCKET, cmsg_type=SCM_TIMESTAMPING, cmsg_data={scm_sec=0, scm_nsec=%d}}, "
        "{cmsg_level=SOL_IP, cmsg_type=IP_RECVERR, cmsg_data={ee_errno=ENOMSG, ee_origin=SO_EE_ORIGIN_TIMESTAMPING, "
        "ee_type=0, ee_code=0, ee_info=%s, ee_data=%d}}"
    )
    flags = ("TX_SCHED", "TX_SOFTWARE", "TX_ACK", "SOFTWARE", "OPT_ID", "OPT_TSONLY")
    option = "|".join(f"SOF_TIMESTAMPING_{flag}" for flag in flags)
    plays(
        SERVER
        + f"+0 setsockopt(4, SOL_SOCKET, SO_TIMESTAMPING, [{option}], 4) = 0\n"
        + "+.1 write(4, ..., 1000) = 1000\n+0 > P. 1:1001(1000) ack 1\n"
        + TAKE % (stamp % (200_000_000, "SCM_TSTAMP_SCHED", 999))
        + TAKE % (stamp % (200_000_000, "SCM_TSTAMP_SND", 999))
        + NOTHING
        + "+.1 < . 1:1(0) ack 1001 win 1000\n"
        + TAKE % (stamp % (300_000_000, "SCM_TSTAMP_ACK", 999))
    )
