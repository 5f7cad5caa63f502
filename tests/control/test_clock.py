import time

from sparsectl.control.samplers.clock import rounds


def test_counts_without_a_deadline():
    assert list(rounds(3, None, default=7)) == [0, 1, 2]
    assert list(rounds(None, None, default=7)) == list(range(7))


def test_one_round_even_when_it_is_too_late():
    assert list(rounds(5, time.perf_counter() - 1, default=7)) == [0]


def test_fixed_count_is_reached_when_there_is_time():
    assert len(list(rounds(5, time.perf_counter() + 60, default=7))) == 5


def test_no_round_starts_that_would_end_too_late():
    deadline = time.perf_counter() + 0.2
    starts = []
    for _ in rounds(None, deadline, default=1):
        starts.append(time.perf_counter())
        time.sleep(0.05)
    assert len(starts) >= 2
    assert starts[-1] < deadline - 0.04
