"""Pipes, files, and octets moved between descriptors."""

from tests.packetdrill.playing import SERVER, plays


def test_a_pipe_carries_octets_and_ends() -> None:
    plays(
        """
0 pipe([5, 6]) = 0
+0 write(6, ..., 100) = 100
+0 read(5, ..., 60) = 60
+0 read(5, ..., 60) = 40
+0 fcntl(5, F_SETFL, O_NONBLOCK) = 0
+0 read(5, ..., 60) = -1 EAGAIN
+0 close(6) = 0
+0 read(5, ..., 60) = 0
+0 bind(5, ..., ...) = -1 ENOTSOCK
"""
    )


def test_octets_are_spliced_into_a_connection_and_out_of_it() -> None:
    plays(
        SERVER
        + """
+0 pipe([5, 6]) = 0
+0 write(6, ..., 1000) = 1000
+0 splice(5, NULL, 4, NULL, 1000, 0) = 1000
+0 > P. 1:1001(1000) ack 1
+.1 < P. 1:501(500) ack 1001 win 1000
+0 > . 1001:1001(0) ack 501
+0 splice(4, NULL, 6, NULL, 4000, 0) = 500
+0 read(5, ..., 4000) = 500
"""
    )


def test_a_file_is_sent_from_where_it_stands() -> None:
    plays(
        SERVER
        + """
+0 open("some file", O_RDONLY) = 5
+0 sendfile(4, 5, [0], 5) = 5
+0 > P. 1:6(5) ack 1
+0 sendfile(4, 4, [0], 5) = -1 ESPIPE
"""
    )


def test_what_is_no_socket_says_so() -> None:
    plays("0 pipe([5, 6]) = 0\n+0 listen(5, 1) = -1 ENOTSOCK\n+0 write(5, ..., 1) = -1 EBADF\n")
