"""Jobs side by side: one at a time here, and as many elsewhere as there are other cores."""

from __future__ import annotations

import atexit
import gc
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from queue import SimpleQueue
from threading import Thread
from typing import Any

from joblib import cpu_count
from joblib.externals.loky import ProcessPoolExecutor, process_executor
from joblib.externals.loky.process_executor import TerminatedWorkerError
from threadpoolctl import threadpool_limits

from calibrant.errors import CalibrantError

N_MOST = 8
"""Processes: each holds the libraries, and the model, once more."""
IDLE_S = 300
"""How long one waits for another job: it takes seconds to start."""
MAY_GROW = 1 << 30
"""Bytes by which one may grow before it is replaced: loky's 300 MB are less than a training takes,
and a new one loads libraries and model again."""
ONE_THREAD = dict.fromkeys(("MKL_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
Job = tuple[Any, ...]
_is_within = ContextVar("_is_within", default=False)
_others: Any = None
"""The other processes, once there are any; not joblib's own, which others may use meanwhile."""


def side_by_side(
    work: Callable[..., Any],
    jobs: Iterable[Job],
    *,
    worth_it: bool,
    in_order: bool = True,
) -> Iterator[Any]:
    """The results of `work(*job)`, as they come: between two jobs that are done here.

    When a job fails, what the others have given is told before its error is raised.

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
    n_others = min(cpu_count(), N_MOST) - 1
    if min(n_others, len(waiting) - 1) < 1 or not worth_it or _is_within.get():
        for _, job in waiting:
            yield work(*job)
        return
    others = _started()
    with warnings.catch_warnings():  # processes are replaced when their memory has grown
        warnings.filterwarnings("ignore", "A worker stopped", UserWarning)
        try:
            yield from _results(work, waiting, others, min(n_others, len(waiting) - 1), in_order)
        except GeneratorExit:  # no more is wanted: what runs elsewhere may end
            raise
        except BaseException as error:
            _stop(others)
            if isinstance(error, TerminatedWorkerError):
                raise CalibrantError(
                    "a process that did a part of the work was killed; where memory ran out, do"
                    " less at once or close other programs, and call again: what is done is kept"
                ) from error
            raise
        finally:
            waiting.clear()


def begin(*needed: Any) -> None:
    """Have the other processes start and load what jobs will need, while this one goes on."""
    for _ in range(min(cpu_count(), N_MOST) - 1):
        _started().submit(len, needed)


def _started() -> Any:
    global _others
    n = min(cpu_count(), N_MOST) - 1
    _others = _others or ProcessPoolExecutor(
        n, timeout=IDLE_S, env=ONE_THREAD, initializer=_at_start
    )
    return _others


def _stop(others: Any) -> None:
    global _others
    others.shutdown(kill_workers=True)
    _others = None if _others is others else _others


def _at_start() -> None:
    process_executor._MAX_MEMORY_LEAK_SIZE = MAY_GROW
    gc.set_threshold(100_000)  # as on the command line
    atexit.register(gc.freeze)


def _results(
    work: Callable[..., Any],
    waiting: deque[tuple[int, Job]],
    others: Any,
    n_others: int,
    in_order: bool,
) -> Iterator[Any]:
    came: SimpleQueue[tuple[int, Any, BaseException | None]] = SimpleQueue()

    def do_one(do: Callable[[Job], Any]) -> bool:
        """Do the next job, if one is left, by `do`; what comes of it is put in, whatever it is."""
        try:
            i, job = waiting.popleft()
        except IndexError:
            return False
        try:
            came.put((i, do(job), None))
        except BaseException as error:
            came.put((i, None, error))
        return True

    def here(job: Job) -> Any:
        return _alone(work, job)

    def elsewhere(job: Job) -> Any:
        return others.submit(_alone, work, job).result()

    def hand_out() -> None:
        while do_one(elsewhere):
            pass

    n, n_told, held, errors = len(waiting), 0, dict[int, Any](), list[BaseException]()
    for _ in range(n_others):
        Thread(target=hand_out, daemon=True).start()
    while n_told < n:
        do_one(here)
        news = [came.get(), *(came.get() for _ in range(came.qsize()))]
        held |= {i: found for i, found, error in news if error is None}
        errors += [error for _, _, error in news if error is not None]
        while held and (not in_order or n_told in held):
            yield held.pop(n_told if in_order else next(iter(held)))
            n_told += 1
        if errors:
            raise errors[0]


def _alone(work: Callable[..., Any], job: Job) -> Any:
    """A job has one core, and begins nothing beside itself."""
    token = _is_within.set(True)
    try:
        with threadpool_limits(1, user_api="blas"):  # torch's own are set where a model is loaded
            return work(*job)
    finally:
        _is_within.reset(token)
