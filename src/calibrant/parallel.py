"""Jobs side by side: one at a time here, and as many elsewhere as there are other cores."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from functools import partial
from queue import SimpleQueue
from typing import Any

from joblib import cpu_count
from joblib.externals.loky import Future, get_reusable_executor
from joblib.externals.loky.process_executor import TerminatedWorkerError
from threadpoolctl import threadpool_limits

from calibrant.errors import CalibrantError

N_MOST = 8
"""Processes: each holds the libraries, and the model, once more."""
IDLE_S = 300
"""How long one waits for another job: it takes seconds to start."""
ONE_THREAD = dict.fromkeys(("MKL_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
_is_within = ContextVar("_is_within", default=False)
Job = tuple[Any, ...]


def side_by_side(
    work: Callable[..., Any],
    jobs: Iterable[Job],
    *,
    worth_it: bool,
    in_order: bool = True,
) -> Iterator[Any]:
    """The results of `work(*job)`, as they come.

    Parameters
    ----------
    worth_it
        Whether the jobs take longer than a process takes to start; if not, or within another job,
        they run here one by one.
    in_order
        Whether a result waits for those of the jobs before it.

    Raises
    ------
    CalibrantError
        When a process was killed.
    """
    waiting = deque(enumerate(jobs))
    n_others = min(cpu_count(), N_MOST, len(waiting)) - 1
    if n_others < 1 or not worth_it or _is_within.get():
        for _, job in waiting:
            yield work(*job)
        return
    with warnings.catch_warnings():  # processes are replaced when their memory has grown
        warnings.filterwarnings("ignore", "A worker stopped", UserWarning)
        others = get_reusable_executor(max_workers=n_others, timeout=IDLE_S, env=ONE_THREAD)
        try:
            yield from _results(work, waiting, others, n_others, in_order)
        except BaseException as error:  # of a job, or whoever asked wants no more
            waiting.clear()
            others.shutdown(kill_workers=True)
            if isinstance(error, TerminatedWorkerError):
                raise CalibrantError(
                    "a process that did a part of the work was killed; where memory ran out, do"
                    " less at once or close other programs, and call again: what is done is kept"
                ) from error
            raise


def _results(
    work: Callable[..., Any],
    waiting: deque[tuple[int, Job]],
    others: Any,
    n_others: int,
    in_order: bool,
) -> Iterator[Any]:
    came: SimpleQueue[tuple[int, Future]] = SimpleQueue()

    def hand_out() -> None:
        if mine := _taken(waiting):
            i, job = mine
            others.submit(_alone, work, job).add_done_callback(partial(take_back, i))

    def take_back(i: int, done: Future) -> None:  # at once, whatever runs here
        came.put((i, done))
        if not done.cancelled() and done.exception() is None:
            hand_out()

    n, n_told, held = len(waiting), 0, dict[int, Any]()
    for _ in range(n_others):
        hand_out()
    while n_told < n:
        if mine := _taken(waiting):
            i, job = mine
            held[i] = _alone(work, job)
        while not came.empty() or not mine:
            mine = i, done = came.get()
            held[i] = done.result()
        while held and (not in_order or n_told in held):
            yield held.pop(n_told if in_order else next(iter(held)))
            n_told += 1


def _taken(waiting: deque[tuple[int, Job]]) -> tuple[int, Job] | None:
    """The next job, if there is one: another thread may just have taken it."""
    try:
        return waiting.popleft()
    except IndexError:
        return None


def _alone(work: Callable[..., Any], job: Job) -> Any:
    """A job has one core, and begins nothing beside itself."""
    token = _is_within.set(True)
    try:
        with threadpool_limits(1):
            return work(*job)
    finally:
        _is_within.reset(token)
