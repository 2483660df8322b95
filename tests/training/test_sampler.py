import numpy as np

from aft.training._sampler import BatchSchedule, make_streams


def test_batches_are_reshuffled_each_epoch_and_hold_labels():
    labelled = np.array([True] * 10 + [False] * 90)
    parts = make_streams(np.arange(100), labelled, 8)
    schedule = BatchSchedule(parts, seed=0)
    batches = [schedule.batch(step) for step in range(50)]
    assert all(len(b) == 8 and labelled[b].sum() == 2 for b in batches)  # a quarter, where a tenth has labels
    first = np.concatenate([b[:2] for b in batches])
    assert sorted(first[:10]) == sorted(first[10:20]) == list(range(10))
    assert first[:10].tolist() != first[10:20].tolist()
    again = BatchSchedule(parts, seed=0)
    assert np.array_equal(again.batch(37), batches[37])  # a function of the step alone
