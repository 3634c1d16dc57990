import pytest

from halfopen.packetdrill.info import CONSTANTS, code_fields, tcp_info
from halfopen.tcp.state import State
from tests.packetdrill.hosts import NOW, Host


def test_a_connection_that_opens_has_linuxs_numbers() -> None:
    facts = tcp_info(Host().connects(), "linux", NOW)
    assert facts["tcpi_state"] == CONSTANTS["TCP_SYN_SENT"]
    assert facts["tcpi_ca_state"] == CONSTANTS["TCP_CA_Open"]
    assert facts["tcpi_snd_cwnd"] == 10
    assert facts["tcpi_snd_ssthresh"] == 0x7FFFFFFF
    assert facts["tcpi_advmss"] == 1460
    assert facts["tcpi_rto"] == 1_000_000
    assert facts["tcpi_pmtu"] == 1500


def test_freebsd_has_other_numbers_of_states_and_counts_octets() -> None:
    facts = tcp_info(Host("freebsd").connects(), "freebsd", NOW)
    assert facts["tcpi_state"] == 2
    assert facts["tcpi_snd_cwnd"] == 14600


@pytest.mark.parametrize("state", list(State))
def test_every_state_has_a_number(state: State) -> None:
    host = Host()
    socket = host.connects()
    socket.connection.tcb.state = state
    assert tcp_info(socket, "linux", NOW)["tcpi_state"] > 0
    assert tcp_info(socket, "freebsd", NOW)["tcpi_state"] >= 0


def test_code_sees_fields_and_constants() -> None:
    fields = code_fields(Host().connects(), "linux", NOW)
    assert fields["TCPI_OPT_SACK"] == 2
    assert "tcpi_unacked" in fields


def test_linux_counts_a_syn_as_a_segment_that_a_timeout_loses() -> None:
    socket = Host().connects()
    facts = tcp_info(socket, "linux", NOW)
    assert (facts["tcpi_unacked"], facts["tcpi_lost"], facts["tcpi_ca_state"]) == (1, 0, CONSTANTS["TCP_CA_Open"])
    socket.connection.tcb.recovery.retries = 2
    facts = tcp_info(socket, "linux", NOW)
    assert (facts["tcpi_unacked"], facts["tcpi_lost"], facts["tcpi_ca_state"]) == (1, 1, CONSTANTS["TCP_CA_Loss"])
    assert (facts["tcpi_retrans"], facts["tcpi_total_retrans"], facts["tcpi_snd_cwnd"]) == (1, 2, 1)
    assert tcp_info(socket, "freebsd", NOW)["tcpi_unacked"] == 0


def test_linux_knows_of_no_delay_before_the_first_text_and_freebsd_of_its_only_one() -> None:
    assert tcp_info(Host().connects(), "linux", NOW)["tcpi_ato"] == 0
    assert tcp_info(Host("freebsd").connects(), "freebsd", NOW)["tcpi_ato"] == 40_000
