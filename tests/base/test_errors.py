import pytest

from halfopen.base import errors

ALL = [value for value in vars(errors).values() if isinstance(value, type)]


@pytest.mark.parametrize("error", ALL)
def test_everything_raised_on_purpose_has_one_root(error: type[Exception]) -> None:
    assert issubclass(error, errors.HalfopenError)


def test_malformed_names_the_counter_it_goes_to() -> None:
    error = errors.Malformed("Ipv4BadHeaderLength")
    assert (error.reason, str(error)) == ("Ipv4BadHeaderLength", "Ipv4BadHeaderLength")


def test_bad_input_bad_calls_and_bad_simulations_are_strangers() -> None:
    kinds = (errors.WireError, errors.TcpError, errors.ConfigError, errors.SimulationError)
    for kind in kinds:
        assert [other for other in kinds if issubclass(kind, other)] == [kind]


@pytest.mark.parametrize(
    "reason",
    [
        errors.ConnectionReset,
        errors.ConnectionTimedOut,
        errors.ConnectionRefused,
        errors.ConnectionAborted,
        errors.NetworkUnreachable,
        errors.AddressInUse,
        errors.NotConnected,
    ],
)
def test_every_end_of_a_connection_is_a_tcp_error(reason: type[Exception]) -> None:
    assert issubclass(reason, errors.TcpError)
