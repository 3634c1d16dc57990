"""What waits for MSG_ERRQUEUE."""

from tests.packetdrill.playing import SERVER, plays

STAMPS = "SOF_TIMESTAMPING_TX_SOFTWARE|SOF_TIMESTAMPING_SOFTWARE"


def test_a_report_brings_the_packet_unless_only_the_stamp_is_wanted() -> None:
    plays(
        SERVER
        + f"""
+0 setsockopt(4, SOL_SOCKET, SO_TIMESTAMPING, [{STAMPS}], 4) = 0
+0 write(4, ..., 100) = 100
+0 > P. 1:101(100) ack 1
+0 recvmsg(4, {{msg_name(...)=..., msg_iov(1)=[{{..., 10}}], msg_flags=MSG_ERRQUEUE|MSG_TRUNC}}, MSG_ERRQUEUE) = 10
+0 recv(4, ..., 10, MSG_ERRQUEUE) = -1 EAGAIN
"""
    )


def test_statistics_come_in_the_place_of_the_packet() -> None:
    plays(
        SERVER
        + f"""
+0 setsockopt(4, SOL_SOCKET, SO_TIMESTAMPING, [{STAMPS}|SOF_TIMESTAMPING_OPT_TSONLY|SOF_TIMESTAMPING_OPT_STATS], 4) = 0
+0 write(4, ..., 100) = 100
+0 > P. 1:101(100) ack 1
+0 recvmsg(4, {{msg_name(...)=..., msg_iov(1)=[{{..., 0}}], msg_flags=MSG_ERRQUEUE|MSG_TRUNC,
                msg_control=[{{cmsg_level=SOL_SOCKET, cmsg_type=SCM_TIMESTAMPING, cmsg_data=...}},
                             {{cmsg_level=SOL_SOCKET, cmsg_type=SCM_TIMESTAMPING_OPT_STATS,
                              cmsg_data={{TCP_NLA_SND_CWND=10, TCP_NLA_BYTES_NOTSENT=0}}}},
                             {{cmsg_level=SOL_IP, cmsg_type=IP_RECVERR, cmsg_data=...}}]}}, MSG_ERRQUEUE) = 0
"""
    )
