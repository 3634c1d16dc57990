"""Questions to the path that are open."""

from halfopen.tcp.trials import Trials, Undo


def test_at_first_nothing_is_asked() -> None:
    trials = Trials()
    assert (trials.probe, trials.undo, trials.search) == (None, None, None)


def test_an_episode_begins_with_nothing_sent_again_and_the_timestamp_of_its_beginning() -> None:
    undo = Undo(100, 300, 200, 77)
    assert (undo.start, undo.end, undo.first) == (100, 300, 200)
    assert (undo.timestamp, undo.latest, undo.octets) == (77, 77, 0)
    assert not undo.is_open
    assert not undo.tries_new
