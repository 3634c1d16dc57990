from random import Random

import pytest

from halfopen.base.clock import MILLISECOND, MINUTE, SECOND
from halfopen.lab.detectors import (
    BENIGN,
    SCANNER,
    Contact,
    Detector,
    Portsentry,
    Psad,
    Scanlogd,
    SynFinCusum,
    ThresholdRandomWalk,
    Zeek,
    expected_contacts,
    flag_probability,
    quality,
)

SCANNER_ADDRESS = bytes((203, 0, 113, 66))
HOST = bytes((192, 0, 2, 1))


def walk(rng: Random, source: bytes, failure: float, count: int = 200) -> list[Contact]:
    """First contacts of one source, each a failure with that probability."""
    return [
        Contact(when=n * SECOND, source=source, destination=HOST, port=n, succeeded=rng.random() >= failure)
        for n in range(count)
    ]


def contacts_until(detector: Detector, contacts: list[Contact]) -> int | None:
    findings = [finding for finding in detector.run(contacts) if finding.verdict == SCANNER]
    return findings[0].contacts if findings else None


def failures(ports: range, every: int = SECOND) -> list[Contact]:
    return [
        Contact(when=n * every, source=SCANNER_ADDRESS, destination=HOST, port=port, succeeded=False)
        for n, port in enumerate(ports)
    ]


@pytest.mark.parametrize(
    ("failure", "expected"), [(0.8, 6.61), (0.9, 5.00), (0.95, 4.44), (0.98, 4.17), (0.99, 4.08), (1.0, 4.00)]
)
def test_trw_needs_as_many_contacts_as_the_closed_form(failure: float, expected: float) -> None:
    rng = Random(1)
    findings = [ThresholdRandomWalk().run(walk(rng, SCANNER_ADDRESS, failure))[0].contacts for _ in range(4000)]
    assert expected_contacts(failure) == pytest.approx(expected, abs=0.006)
    assert sum(findings) / len(findings) == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize(("failure", "expected"), [(0.2, 0.0039), (0.1, 0.00015), (0.05, 7.7e-6), (0.0, 0.0)])
def test_trw_accuses_the_benign_as_rarely_as_the_closed_form(failure: float, expected: float) -> None:
    assert flag_probability(failure) == pytest.approx(expected, rel=0.02)


def test_trw_accuses_a_fifth_of_a_percent_of_sources_that_fail_a_fifth_of_the_time() -> None:
    rng = Random(2)
    sources = [number.to_bytes(4, "big") for number in range(20_000)]
    detector = ThresholdRandomWalk()
    findings = [finding for source in sources for finding in detector.run(walk(rng, source, 0.2, 60))]
    rate = quality(findings, dict.fromkeys(sources, False)).false_positive
    assert rate == pytest.approx(flag_probability(0.2), rel=0.25)
    assert sum(finding.verdict == BENIGN for finding in findings) > 19_800


def test_a_walk_that_is_fair_takes_its_square() -> None:
    assert expected_contacts(0.5) == 16


def test_one_known_good_contact_for_each_failure_hides_a_scan_from_trw() -> None:
    contacts = [
        Contact(when=n * SECOND, source=SCANNER_ADDRESS, destination=HOST, port=n, succeeded=n % 2 == 0)
        for n in range(1000)
    ]
    assert ThresholdRandomWalk().run(contacts) == []


def test_four_good_contacts_first_buy_a_scan_that_trw_never_sees() -> None:
    contacts = [
        Contact(when=n * SECOND, source=SCANNER_ADDRESS, destination=HOST, port=n, succeeded=n < 4) for n in range(1000)
    ]
    assert [finding.verdict for finding in ThresholdRandomWalk().run(contacts)] == [BENIGN]


def test_repeating_a_contact_says_nothing_new_to_trw() -> None:
    again = [
        Contact(when=n * SECOND, source=SCANNER_ADDRESS, destination=HOST, port=80, succeeded=False) for n in range(50)
    ]
    assert ThresholdRandomWalk().run(again) == []


def test_a_forged_scan_frames_its_victim_unless_only_validated_contacts_count() -> None:
    forged = [
        Contact(when=n * SECOND, source=SCANNER_ADDRESS, destination=HOST, port=n, succeeded=False, is_validated=False)
        for n in range(20)
    ]
    assert contacts_until(ThresholdRandomWalk(), forged) == 4
    assert ThresholdRandomWalk(validated_only=True).run(forged) == []


def test_zeek_wants_fifteen_ports() -> None:
    assert contacts_until(Zeek(), failures(range(1, 100))) == 15


def test_zeek_wants_twenty_five_hosts() -> None:
    sweep = [
        Contact(when=n, source=SCANNER_ADDRESS, destination=bytes((192, 0, 2, n)), port=22, succeeded=False)
        for n in range(100)
    ]
    assert contacts_until(Zeek(), sweep) == 25


def test_a_slow_scan_escapes_zeek() -> None:
    assert contacts_until(Zeek(), failures(range(1, 500), 22 * SECOND)) is None
    assert contacts_until(Zeek(), failures(range(1, 500), 21 * SECOND)) == 15


def test_successes_do_not_count_for_zeek_and_psad() -> None:
    fine = [Contact(when=n, source=SCANNER_ADDRESS, destination=HOST, port=n, succeeded=True) for n in range(1, 100)]
    assert Zeek().run(fine) == []
    assert Psad().run(fine) == []


@pytest.mark.parametrize(("ports", "contacts"), [(range(1, 100), 7), (range(2000, 2100), 21)])
def test_scanlogd_weighs_privileged_ports_three_times(ports: range, contacts: int) -> None:
    assert contacts_until(Scanlogd(), failures(ports, 100 * MILLISECOND)) == contacts


def test_scanlogd_forgets_after_three_seconds_and_counts_a_port_once() -> None:
    assert contacts_until(Scanlogd(), failures(range(1, 100), 3 * SECOND + 1)) is None
    again = [each for each in failures(range(80, 81)) for _ in range(100)]
    assert contacts_until(Scanlogd(), again) is None


def test_psad_wants_five_packets() -> None:
    assert contacts_until(Psad(), failures(range(1, 100), MINUTE)) == 5


def test_portsentry_wants_one_touch_of_a_trap() -> None:
    assert contacts_until(Portsentry({23}), failures(range(20, 30))) == 4


def test_a_source_is_judged_once() -> None:
    assert len(Psad().run(failures(range(1, 100)))) == 1


def test_cusum_sees_a_flood_and_no_flood_in_ordinary_traffic() -> None:
    rng = Random(1)
    calm, flooded = SynFinCusum(), SynFinCusum()
    for _ in range(200):
        fins = rng.randrange(90, 110)
        assert not calm.on_interval(fins + rng.randrange(-10, 20), fins)
        flooded.on_interval(fins + 5, fins)
    delays = next(n for n in range(1, 10) if flooded.on_interval(200, 100))
    assert delays == 2


def test_quality_in_the_terms_of_jung() -> None:
    rng = Random(3)
    truth = {bytes((192, 0, 2, n)): n < 20 for n in range(100)}
    log = [contact for source, bad in truth.items() for contact in walk(rng, source, 0.95 if bad else 0.1)]
    result = quality(ThresholdRandomWalk().run(log), truth)
    assert result.detection == 1.0
    assert result.efficiency >= 0.95
    assert result.contacts == pytest.approx(expected_contacts(0.95), rel=0.15)


def test_quality_of_nothing() -> None:
    assert quality([], {}).detection == 0.0
