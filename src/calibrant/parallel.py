"""Jobs side by side, a process for each core."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from joblib import Parallel, delayed


def side_by_side(
    work: Callable[..., Any], jobs: Iterable[tuple[Any, ...]], *, worth_it: bool
) -> Iterator[Any]:
    """The results of `work(*job)`, in the order of the jobs, as they come.

    Parameters
    ----------
    worth_it
        Whether the jobs take longer than a process takes to start; if not, they run here.
    """
    calls = (delayed(work)(*job) for job in jobs)
    with warnings.catch_warnings():  # workers are replaced when their memory has grown
        warnings.filterwarnings("ignore", "A worker stopped", UserWarning)
        yield from Parallel(n_jobs=-1 if worth_it else 1, return_as="generator")(calls)
