import pytest

from aft.core import Progress, format_duration, format_size


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (190, "3 min 10 s"),
        (3599.6, "1 h 0 min"),
        (7500, "2 h 5 min"),
        (90000, "25 h 0 min"),
    ],
)
def test_durations(seconds, text):
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (12_345_678, "12.3 MB"),
        (2_500_000_000, "2.5 GB"),
        (7.25e12, "7.2 TB"),
        (5e15, "5000.0 TB"),
    ],
)
def test_sizes(count, text):
    assert format_size(count) == text


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test sets."""
    now = [100.0]
    monkeypatch.setattr("aft.core._progress.time.monotonic", lambda: now[0])
    return now


def test_plain_lines_are_written_at_intervals_with_the_remaining_time(capsys, clock):
    with Progress(100, "teacher", "samples") as progress:
        progress(10)
        assert capsys.readouterr().err == ""  # too early
        clock[0] += 20
        progress(10)
        assert capsys.readouterr().err == "teacher: 20 of 100 samples, about 1 min 20 s left\n"
        clock[0] += 1
        progress(10)
        assert capsys.readouterr().err == ""
        clock[0] += 39
        progress(10)
        assert capsys.readouterr().err == "teacher: 40 of 100 samples, about 1 min 30 s left\n"


def test_skipped_units_do_not_count(capsys, clock):
    progress = Progress(100, "teacher", "samples")
    progress.skip(60)
    clock[0] += 20
    progress(20)
    assert capsys.readouterr().err == "teacher: 20 of 40 samples, about 20 s left\n"


def test_quiet_progress_writes_nothing(capsys, clock):
    with Progress(10, "teacher", "samples", quiet=True) as progress:
        clock[0] += 100
        progress(5)
    assert capsys.readouterr() == ("", "")


def test_a_note_is_shown_and_the_rest_can_change(capsys, clock):
    progress = Progress(100, "training", "steps")
    progress.note("validation loss 0.5000")
    progress(20)
    progress.expect(20)
    clock[0] += 20
    progress(0)
    assert capsys.readouterr().err == "training: 20 of 40 steps, about 20 s left; validation loss 0.5000\n"


def test_a_total_that_was_too_low_leaves_no_negative_time(capsys, monkeypatch):
    monkeypatch.setattr(Progress, "EVERY", 0.0)
    progress = Progress(2, "comparing", "trainings")
    for _ in range(3):
        progress(1)
    assert capsys.readouterr().err.splitlines()[-1] == "comparing: 3 of 3 trainings, about 0 s left"
