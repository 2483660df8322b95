"""Latency."""

from aft.evaluation import latency


def test_latency_is_measured_one_sample_at_a_time():
    seen = []
    assert latency(seen.append, [1, 2, 3], repeats=2) > 0
    assert seen == [[1], [1], [2], [3], [1], [2], [3]]
