"""poll and epoll."""

from tests.packetdrill.playing import CLIENT, SERVER, plays


def test_a_level_is_told_again_and_an_edge_only_once() -> None:
    plays(
        SERVER
        + """
+0 epoll_create(1) = 5
+0 epoll_ctl(5, EPOLL_CTL_ADD, 4, {events=EPOLLIN, fd=4}) = 0
+0 epoll_ctl(5, EPOLL_CTL_ADD, 4, {events=EPOLLIN, fd=4}) = -1 EEXIST
+0 epoll_wait(5, {events=EPOLLIN, fd=4}, 1, 0) = 0
+0 < P. 1:11(10) ack 1 win 1000
+0 > . 1:1(0) ack 11
+0 epoll_wait(5, {events=EPOLLIN, fd=4}, 1, 0) = 1
+0 epoll_wait(5, {events=EPOLLIN, fd=4}, 1, 0) = 1
+0 epoll_ctl(5, EPOLL_CTL_MOD, 4, {events=EPOLLIN|EPOLLET, fd=4}) = 0
+0 epoll_wait(5, {events=EPOLLIN, fd=4}, 1, 0) = 1
+0 epoll_wait(5, {events=EPOLLIN, fd=4}, 1, 0) = 0
+0 < P. 11:21(10) ack 1 win 1000
* > . 1:1(0) ack 21
+0 epoll_wait(5, {events=EPOLLIN, fd=4}, 1, 0) = 1
+0 epoll_ctl(5, EPOLL_CTL_DEL, 4, ...) = 0
+0 epoll_ctl(5, EPOLL_CTL_DEL, 4, ...) = -1 ENOENT
+0 epoll_wait(5, {events=EPOLLIN, fd=4}, 1, 0) = 0
"""
    )


def test_writers_hear_again_when_room_has_come_back() -> None:
    plays(
        SERVER
        + """
+0 setsockopt(4, SOL_TCP, TCP_NOTSENT_LOWAT, [4000], 4) = 0
+0 epoll_create(1) = 5
+0 epoll_ctl(5, EPOLL_CTL_ADD, 4, {events=EPOLLOUT|EPOLLET, fd=4}) = 0
+0 epoll_wait(5, {events=EPOLLOUT, fd=4}, 1, 0) = 1
+0 epoll_wait(5, {events=EPOLLOUT, fd=4}, 1, 0) = 0
+0 write(4, ..., 200000) = 26000
+0 epoll_wait(5, {events=EPOLLOUT, fd=4}, 1, 0) = 0
+.1 < . 1:1(0) ack 10001 win 65535
+0 epoll_wait(5, {events=EPOLLOUT, fd=4}, 1, 0) = 1
"""
    )


def test_waiting_ends_with_what_is_waited_for() -> None:
    plays(
        SERVER
        + """
+0...0.1 poll([{fd=4, events=POLLIN, revents=POLLIN}], 1, 1000) = 1
+.1 < P. 1:11(10) ack 1 win 1000
+0 > . 1:1(0) ack 11
"""
    )


def test_waiting_ends_with_its_time() -> None:
    plays(SERVER + "+0...0.5 poll([{fd=4, events=POLLIN}], 1, 500) = 0\n")


def test_what_is_not_open_is_told_as_such() -> None:
    plays(CLIENT + "+0 close(3) = 0\n+0 poll([{fd=3, events=POLLIN, revents=POLLNVAL}], 1, 0) = 1\n")


def test_sets_take_what_is_open_and_wait_for_something() -> None:
    plays(
        SERVER
        + """
+0 epoll_create(1) = 5
+0 epoll_ctl(5, EPOLL_CTL_ADD, 9, {events=EPOLLIN, fd=4}) = -1 EBADF
+0 epoll_wait(5, {events=0, fd=4}, 0, 0) = -1 EINVAL
+0 epoll_wait(4, {events=0, fd=4}, 1, 0) = -1 EINVAL
"""
    )
