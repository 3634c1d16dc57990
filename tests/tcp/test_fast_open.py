from dataclasses import replace

import pytest

from halfopen.base.addresses import parse_address
from halfopen.base.clock import SECOND, Instant
from halfopen.base.counters import Counters
from halfopen.tcp.config import FastOpenConfig
from halfopen.tcp.fast_open import (
    LOSS_HOLD,
    REFUSED,
    RESET_HOLD,
    SERVERS,
    CookieOption,
    Early,
    FastOpenServer,
    Judgement,
    Request,
    ServerCookies,
    cookie_option,
    make_cookie,
)
from halfopen.tcp.fast_open_config import FastOpenManner
from halfopen.tcp.state import State
from halfopen.wire.tcp import SYN, Segment
from halfopen.wire.tcp_options import EXPERIMENT, FAST_OPEN, Options

LINUX_KEY = bytes.fromhex("a1a1a1a1b2b2b2b2c3c3c3c3d4d4d4d4")
KEY, OLD = bytes(16), bytes(range(16))
FLOW = bytes((192, 0, 2, 2, 192, 0, 2, 1, 0xC0, 0, 0, 80))
PEER = FLOW[:4]
NOW = 100 * SECOND
SERVER = FastOpenConfig(server=True)
CLIENT = FastOpenConfig(connect=True)


@pytest.mark.rfc("7413", "7413.4")
@pytest.mark.parametrize(
    ("peer", "local", "cookie"),
    [
        ("192.0.2.1", "192.168.0.1", "3021b9d889017eeb"),
        ("fd3d:fa7b:d17d::1", "fd3d:a0b:17d6::1", "c1d1e9742a47a9bc"),
    ],
)
def test_cookies_are_those_of_linux(peer: str, local: str, cookie: str) -> None:
    for ports in (bytes(4), b"\xc0\x00\x00\x50"):
        assert make_cookie(LINUX_KEY, parse_address(peer) + parse_address(local) + ports).hex() == cookie


@pytest.mark.rfc("7413", "7413.2")
@pytest.mark.parametrize(("octets", "is_one"), [(0, True), (2, False), (4, True), (5, False), (16, True), (18, False)])
def test_a_cookie_has_4_to_16_octets_an_even_number(octets: int, is_one: bool) -> None:
    option = (FAST_OPEN, bytes(octets))
    assert cookie_option(Options(fast_open=option)) == (option if is_one else None)


def test_where_there_is_no_option_there_is_no_cookie() -> None:
    assert cookie_option(None) is None
    assert cookie_option(Options()) is None


# Servers


class Child:
    def __init__(self, state: State) -> None:
        self.state = state


def syn(option: CookieOption | None, octets: int = 0) -> Segment:
    return Segment(0xC000, 80, seq=7, flags=SYN, options=Options(fast_open=option), octets=octets)


def judge(option: CookieOption | None, config: FastOpenConfig = SERVER, octets: int = 5) -> tuple[Judgement, Counters]:
    counters = Counters()
    return FastOpenServer(KEY, counters).judge(FLOW, syn(option, octets), config, NOW), counters


@pytest.mark.rfc("7413", "7413.1")
@pytest.mark.parametrize("kind", [FAST_OPEN, EXPERIMENT])
@pytest.mark.parametrize("octets", [0, 5])
def test_who_asks_gets_a_cookie_in_the_same_form(kind: int, octets: int) -> None:
    judgement, counters = judge((kind, b""), octets=octets)
    assert judgement == Judgement(False, (kind, make_cookie(KEY, FLOW)))
    assert counters["TCPFastOpenCookieReqd"] == 1


@pytest.mark.rfc("7413", "7413.3")
@pytest.mark.parametrize("octets", [0, 5])
def test_a_cookie_that_is_good_opens_the_connection(octets: int) -> None:
    judgement, counters = judge((FAST_OPEN, make_cookie(KEY, FLOW)), octets=octets)
    assert judgement == Judgement(True, None)
    assert counters["TCPFastOpenPassive"] == 1


@pytest.mark.rfc("7413", "7413.3")
@pytest.mark.parametrize("cookie", [make_cookie(OLD, FLOW), make_cookie(KEY, FLOW)[:6], bytes(16)])
def test_another_is_replaced(cookie: bytes) -> None:
    judgement, counters = judge((EXPERIMENT, cookie))
    assert judgement == Judgement(False, (EXPERIMENT, make_cookie(KEY, FLOW)))
    assert (counters["TCPFastOpenPassive"], counters["TCPFastOpenPassiveFail"]) == (0, 1)


@pytest.mark.rfc("7413", "7413.4")
def test_one_by_an_older_key_is_good_and_replaced() -> None:
    config = replace(SERVER, keys=(OLD, KEY))
    judgement, counters = judge((FAST_OPEN, make_cookie(KEY, FLOW)), config)
    assert judgement == Judgement(True, (FAST_OPEN, make_cookie(OLD, FLOW)))
    assert (counters["TCPFastOpenPassive"], counters["TCPFastOpenPassiveAltKey"]) == (1, 1)


@pytest.mark.rfc("7413", "7413.3", "7413.9")
def test_text_alone_opens_nothing_unless_that_is_wanted() -> None:
    assert judge(None)[0] == REFUSED
    cookieless = replace(SERVER, needs_no_cookie=True)
    assert judge(None, cookieless)[0] == Judgement(True)
    assert judge((FAST_OPEN, bytes(8)), cookieless)[0] == Judgement(True)
    assert judge(None, cookieless, octets=0)[0] == REFUSED


def test_a_server_may_not_know_any_of_it_or_not_the_experiment() -> None:
    assert judge((FAST_OPEN, b""), FastOpenConfig())[0] == REFUSED
    assert judge((EXPERIMENT, b""), replace(SERVER, experiment=False))[0] == REFUSED
    assert judge((FAST_OPEN, b""), replace(SERVER, experiment=False))[0].option is not None


@pytest.mark.rfc("7413", "7413.5")
def test_so_many_may_wait_for_the_end_of_their_handshake_and_no_more() -> None:
    counters = Counters()
    server = FastOpenServer(KEY, counters)
    config = replace(SERVER, backlog=2)
    good = syn((FAST_OPEN, make_cookie(KEY, FLOW)), 5)
    children = [Child(State.SYN_RECEIVED), Child(State.SYN_RECEIVED)]
    for child in children:
        assert server.judge(FLOW, good, config, NOW).is_accepted
        server.add(child, NOW)
    assert server.judge(FLOW, good, config, NOW) == REFUSED
    assert counters["TCPFastOpenListenOverflow"] == 1
    children[0].state = State.CLOSED
    assert server.judge(FLOW, good, config, NOW + RESET_HOLD - 1) == REFUSED
    children[1].state = State.ESTABLISHED
    assert server.judge(FLOW, good, config, NOW + RESET_HOLD - 1).is_accepted
    server.add(Child(State.SYN_RECEIVED), NOW)
    assert server.judge(FLOW, good, config, NOW + RESET_HOLD).is_accepted


# Clients


def request_of(cookies: ServerCookies, config: FastOpenConfig = CLIENT, now: int = NOW) -> Request:
    request = cookies.request(PEER, config, now)
    assert request is not None
    return request


def test_a_stranger_is_asked() -> None:
    request = request_of(ServerCookies())
    assert (request.option, request.mss, request.sends_text) == ((FAST_OPEN, b""), 0, False)
    request = request_of(ServerCookies(), replace(CLIENT, asks_by_experiment=True))
    assert request.option == (EXPERIMENT, b"")
    assert Early(request).is_deferred is Early(request).is_child is False


@pytest.mark.rfc("7413", "7413.6")
@pytest.mark.parametrize("kind", [FAST_OPEN, EXPERIMENT])
def test_a_cookie_is_kept_with_the_mss(kind: int) -> None:
    cookies = ServerCookies()
    cookies.learn(request_of(cookies), 1400, (kind, bytes(8)), was_repeated=False)
    request = request_of(cookies)
    assert (request.option, request.mss, request.sends_text) == ((kind, bytes(8)), 1400, True)
    assert Early(request).is_deferred
    cookies.learn(request, 1300, None, was_repeated=False)
    assert request_of(cookies).option == (kind, bytes(8))
    cookies.forget()
    assert not request_of(cookies).sends_text


def test_who_does_not_answer_is_asked_in_the_other_form_once() -> None:
    cookies = ServerCookies()
    kinds = []
    for _ in range(4):
        request = request_of(cookies)
        assert request.option is not None
        kinds.append(request.option[0])
        cookies.learn(request, 1400, None, was_repeated=False)
    assert kinds == [FAST_OPEN, EXPERIMENT, FAST_OPEN, FAST_OPEN]


def test_who_was_asked_by_a_syn_that_was_lost_is_asked_in_the_same_form() -> None:
    cookies = ServerCookies()
    cookies.learn(request_of(cookies), 1400, None, was_repeated=True)
    assert request_of(cookies).option == (FAST_OPEN, b"")


@pytest.mark.rfc("7413", "7413.6")
def test_after_the_second_loss_nothing_is_sent_for_a_time_that_doubles() -> None:
    cookies = ServerCookies()
    request = request_of(cookies)
    cookies.learn(request, 1400, (FAST_OPEN, bytes(8)), was_repeated=False)
    cookies.lose(request, NOW)
    assert request_of(cookies).sends_text
    for times in (1, 2, 4):
        cookies.lose(request, NOW)
        assert cookies.request(PEER, CLIENT, NOW + times * LOSS_HOLD - 1) is None
        assert request_of(cookies, now=NOW + times * LOSS_HOLD).sends_text
    for _ in range(100):
        cookies.lose(request, NOW)
    assert request_of(cookies, now=NOW + (LOSS_HOLD << 8)).sends_text
    cookies.learn(request, 1400, None, was_repeated=False)
    assert request_of(cookies).sends_text


def test_a_client_may_do_without_cookies_or_without_all_of_it() -> None:
    request = request_of(ServerCookies(), replace(CLIENT, sends_no_cookie=True))
    assert (request.option, request.sends_text) == (None, True)
    assert ServerCookies().request(PEER, replace(CLIENT, client=False), NOW) is None


def test_of_too_many_servers_who_was_asked_least_lately_is_forgotten() -> None:
    cookies = ServerCookies()
    config = replace(CLIENT, sends_no_cookie=True)
    for number in range(SERVERS + 1):
        request = cookies.request(number.to_bytes(4, "big"), config, NOW)
        assert request is not None
        cookies.learn(request, 1400, (FAST_OPEN, bytes(8)), was_repeated=False)
    known = [cookies.request(number.to_bytes(4, "big"), CLIENT, NOW) for number in (0, 1, SERVERS)]
    assert [each is not None and each.sends_text for each in known] == [False, True, True]


# Paths that swallow it

WARY = FastOpenConfig(connect=True, manner=FastOpenManner(blackhole=60 * SECOND))


def avoided(cookies: ServerCookies, now: Instant = NOW) -> bool:
    return cookies.request(PEER, WARY, now) is None


def test_each_sign_doubles_the_time_without_fast_open_and_text_ends_it() -> None:
    cookies = ServerCookies()
    for times in (1, 2, 4, 8, 16, 32, 64, 64):
        cookies.suspect(NOW)
        assert avoided(cookies, NOW + times * 60 * SECOND - 1) and not avoided(cookies, NOW + times * 60 * SECOND)
    request = cookies.request(PEER, WARY, NOW + 10_000 * SECOND)
    assert request is not None and request.checks
    early = Early(request)
    early.on_end(False, False, NOW, WARY)
    assert avoided(cookies)
    early.on_end(True, False, NOW, WARY)
    assert not avoided(cookies)


@pytest.mark.parametrize(("has_text", "is_sign"), [(False, True), (True, False)])
def test_a_fin_and_nothing_else_is_a_sign(has_text: bool, is_sign: bool) -> None:
    cookies = ServerCookies()
    Early(request_of(cookies)).on_end(has_text, True, NOW, WARY)
    assert avoided(cookies) is is_sign


def test_who_had_nothing_of_it_in_his_syn_or_does_not_mind_shows_nothing() -> None:
    cookies = ServerCookies()
    Early(Request(cookies, PEER, None, 0, True)).on_end(False, True, NOW, WARY)
    Early().on_end(False, True, NOW, WARY)
    Early(request_of(cookies)).on_end(False, True, NOW, CLIENT)
    assert not avoided(cookies)
