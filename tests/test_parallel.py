"""Jobs in this process and in others."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import numpy as np
import pytest
from joblib import Parallel, delayed
from joblib.externals.loky import get_reusable_executor
from threadpoolctl import threadpool_info

from calibrant import parallel
from calibrant.errors import CalibrantError, InvalidData
from calibrant.parallel import side_by_side


@pytest.fixture(autouse=True)
def three(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Cores, whatever there are; other processes of its own."""
    monkeypatch.setattr(parallel, "cpu_count", lambda: 3)
    monkeypatch.setattr(parallel, "_others", None)
    yield
    if parallel._others is not None:
        parallel._others.shutdown(kill_workers=True)


def slowly(n: int) -> tuple[int, int]:
    time.sleep(0.3 if n == 0 else 0.02)
    return n, os.getpid()


def test_all_are_done_once_here_and_elsewhere() -> None:
    jobs = [(n,) for n in range(40)]
    found = list(side_by_side(slowly, jobs, worth_it=True))
    assert [n for n, _ in found] == list(range(40))
    assert os.getpid() in {at for _, at in found} and len({at for _, at in found}) > 1
    assert {at for _, at in side_by_side(slowly, jobs[:3], worth_it=False)} == {os.getpid()}
    assert list(side_by_side(slowly, [], worth_it=True)) == []


def test_what_is_done_first_comes_first_unless_an_order_is_asked_for() -> None:
    jobs = [(n,) for n in range(12)]
    list(side_by_side(slowly, jobs, worth_it=True))  # now the others are there
    found = [n for n, _ in side_by_side(slowly, jobs, worth_it=True, in_order=False)]
    assert sorted(found) == list(range(12)) and found != sorted(found)


def fails(n: int) -> int:
    if n == 5:
        raise InvalidData(f"{n} is bad")
    return n


def killed(n: int, here: int) -> int:
    if os.getpid() != here:
        os._exit(1)
    time.sleep(0.1)
    return n


def test_an_error_ends_it_wherever_it_came_up() -> None:
    with pytest.raises(InvalidData, match="5 is bad"):
        list(side_by_side(fails, [(n,) for n in range(9)], worth_it=True))
    with pytest.raises(CalibrantError, match="was killed"):
        list(side_by_side(killed, [(n, os.getpid()) for n in range(99)], worth_it=True))
    assert list(side_by_side(fails, [(n,) for n in range(5)], worth_it=True)) == [*range(5)]


def slow_here(n: int, here: int) -> int:
    if os.getpid() == here:
        time.sleep(4)
        raise InvalidData("bad here")
    return n


def test_what_the_others_gave_is_told_before_an_error() -> None:
    told = []
    with pytest.raises(InvalidData, match="bad here"):
        jobs = [(n, os.getpid()) for n in range(20)]
        for n in side_by_side(slow_here, jobs, worth_it=True, in_order=False):
            told.append(n)
    assert len(told) == 19


def test_one_may_want_no_more_and_others_use_the_cores_meanwhile() -> None:
    jobs = [(n,) for n in range(30)]
    left = side_by_side(slowly, jobs, worth_it=True)
    next(left)
    assert len(list(side_by_side(slowly, jobs[:4], worth_it=True))) == 4
    assert len(Parallel(n_jobs=2)(delayed(slowly)(n) for n in range(4))) == 4
    places = parallel._others
    left.close()
    assert len(list(side_by_side(slowly, jobs, worth_it=True))) == 30
    assert parallel._others is places  # they were not started anew
    get_reusable_executor().shutdown(kill_workers=True)


def test_what_is_needed_is_loaded_ahead() -> None:
    parallel.begin(np.ones(3))
    begun = parallel._others
    found = list(side_by_side(slowly, [(n,) for n in range(9)], worth_it=True))
    assert parallel._others is begun and len(found) == 9


def within(n: int) -> tuple[set[int], int]:
    inner = {at for _, at in side_by_side(slowly, [(1,), (2,), (3,)], worth_it=True)}
    np.ones((9, 9)) @ np.ones((9, 9))
    threads = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
    return inner | {os.getpid()}, max(threads)


def test_a_job_has_one_core() -> None:
    found = list(side_by_side(within, [(n,) for n in range(6)], worth_it=True))
    assert all(len(places) == 1 and threads == 1 for places, threads in found)
