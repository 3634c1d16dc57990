from halfopen.tcp.mss_config import MssManner


def test_a_host_says_its_mss_and_finds_out_about_paths() -> None:
    manner = MssManner()
    assert (manner.is_said, manner.discovers_path) == (True, True)
    assert (manner.default, manner.default_ipv6) == (None, None)
