"""Jobs side by side, a process for each core."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from joblib import Parallel, cpu_count, delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError

from calibrant.errors import CalibrantError

N_MOST = 8
"""Processes: each holds the libraries, and the model, once more."""


def side_by_side(
    work: Callable[..., Any],
    jobs: Iterable[tuple[Any, ...]],
    *,
    worth_it: bool,
    in_order: bool = True,
) -> Iterator[Any]:
    """The results of `work(*job)`, as they come.

    Parameters
    ----------
    worth_it
        Whether the jobs take longer than a process takes to start; if not, they run here.
    in_order
        Whether a result waits for those of the jobs before it.

    Raises
    ------
    CalibrantError
        When a process was killed.
    """
    calls = (delayed(work)(*job) for job in jobs)
    with warnings.catch_warnings():  # workers are replaced when their memory has grown
        warnings.filterwarnings("ignore", "A worker stopped", UserWarning)
        n = min(cpu_count(), N_MOST) if worth_it else 1
        form = "generator" if in_order else "generator_unordered"
        try:
            yield from Parallel(n_jobs=n, return_as=form)(calls)
        except TerminatedWorkerError as error:
            raise CalibrantError(
                "a process that did a part of the work was killed; where memory ran out, do less"
                " at once or close other programs, and call again: what is done is kept"
            ) from error
