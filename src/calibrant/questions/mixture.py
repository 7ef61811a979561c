"""Taking some questions of many: so many for each split, an equal quota of every subject."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, zip_longest
from typing import Any, Generic, TypeVar

from calibrant.questions.splits import SHARES, check_disjoint, split_of, subset_of
from calibrant.records import Question, content_hash
from calibrant.tables import Malformed

T = TypeVar("T")
N_ALL = 1 << 62
"""More than there are."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How many open questions are taken; fewer where a source has fewer."""

    train: int = 2000
    """To fit estimators on."""
    validation: int = 200
    """To stop early by."""
    calibration: int = 500
    """To fit calibrators and choose thresholds on."""
    test: int = 600
    """To evaluate on, of each subset (seen, development, unseen)."""
    unanswerable: int = 112
    """To evaluate on."""
    choice_share: float = 0.5
    """So many multiple-choice questions for each open one: they take longer."""

    @classmethod
    def of(cls, n_train: int, n_test: int, *, choice_share: float = 0.5) -> Sizes:
        """All sizes in proportion to those of training and test."""
        return cls(
            train=n_train,
            validation=max(1, round(0.1 * n_train)),
            calibration=max(1, round(0.25 * n_train)),
            test=n_test,
            unanswerable=max(1, n_test // 4),
            choice_share=choice_share,
        )


def itself(question: Any) -> Question:
    """The question of something that is one."""
    return question  # type: ignore[no-any-return]


class Draw(Generic[T]):
    """`equal_quota` of what comes one after another, keeping about twice as many at most."""

    def __init__(self, n: int, seed: int, of: Callable[[T], Question]) -> None:
        self.n, self.seed, self.of = n, seed, of
        self._cap, self._n_kept, self._n_seen = n, 0, 0
        self._kept: dict[str, list[tuple[int, str, int, T]]] = defaultdict(list)

    def add(self, item: T) -> None:
        """Take notice of one."""
        question = self.of(item)
        kept = self._kept[question.subject]
        # The heap gives up its smallest, and the largest hashes are to go.
        self._n_seen += 1  # one question may come with several answers
        entry = (-_turn(question, self.seed), question.id, self._n_seen, item)
        if len(kept) < self._cap:
            heapq.heappush(kept, entry)
            self._n_kept += 1
            if self._n_kept > 2 * max(self.n, len(self._kept)):
                self._trim()
        elif kept:
            heapq.heappushpop(kept, entry)

    def _trim(self) -> None:
        """Drop what is never drawn: as soon as `cap` rounds fill the quota, later ones cannot."""
        sizes = [len(heap) for heap in self._kept.values()]
        while sum(min(size, self._cap - 1) for size in sizes) >= self.n:
            self._cap -= 1
        for heap in self._kept.values():
            while len(heap) > self._cap:
                heapq.heappop(heap)
        self._n_kept = sum(len(heap) for heap in self._kept.values())

    def drawn(self) -> list[T]:
        """What `equal_quota` takes of all that came."""
        kept = [item for heap in self._kept.values() for _, _, _, item in heap]
        return equal_quota(kept, self.n, self.seed, self.of)


def _turn(question: Question, seed: int) -> int:
    return int(content_hash("quota", seed, question.id), 16)


def equal_quota(
    questions: Sequence[T], n: int, seed: int = 0, of: Callable[[T], Question] = itself
) -> list[T]:
    """`n` questions at random (all when there are fewer), as equally many of each subject as can.

    The same questions whatever their order; a larger `n` only adds to a smaller one's.

    Parameters
    ----------
    of
        The question of an item, where items are more than questions.
    """
    by_subject: dict[str, list[T]] = defaultdict(list)
    for item in sorted(questions, key=lambda item: _turn(of(item), seed)):
        by_subject[of(item).subject].append(item)
    turns = zip_longest(*(by_subject[subject] for subject in sorted(by_subject)))
    return [item for item in chain(*turns) if item is not None][:n]


def choose(
    questions: Iterable[T],
    sizes: Sizes,
    subsets: Sequence[str],
    seed: int,
    of: Callable[[T], Question] = itself,
    malformed: Malformed | None = None,
) -> list[T]:
    """The questions of a run: of each format and split an equal quota of every subject.

    They may come one after another from a source that is larger than memory.

    Raises
    ------
    InvalidData
        When a group stands on two sides; where malformed rows are skipped, the members that are
        not for testing are left out and counted.
    """
    wanted = asdict(sizes) | dict.fromkeys(("seen", "development", "unseen"), sizes.test)
    share = {"open": 1.0, "choice": sizes.choice_share}
    draws: dict[tuple[str, str], Draw[T]] = {}
    for item in questions:
        question = of(item)
        split = split_of(question, seed)
        part = subset_of(question) if split == "test" else split
        if part in SHARES or not subsets or part in subsets:
            key = question.format, part
            if key not in draws:
                n = wanted[part] if wanted[part] == N_ALL else round(wanted[part] * share[key[0]])
                draws[key] = Draw(n, seed, of)
            draws[key].add(item)
    chosen = [item for _, draw in sorted(draws.items()) for item in draw.drawn()]
    if malformed and malformed.skip:
        tested = {of(i).group for i in chosen if split_of(of(i), seed) == "test"}
        kept = []
        for item in chosen:
            if split_of(of(item), seed) == "test" or of(item).group not in tested:
                kept.append(item)
            else:
                malformed.leave_out(of(item).source.name, "the group is in the test split, too")
        chosen = kept
    check_disjoint((of(item), split_of(of(item), seed)) for item in chosen)
    return chosen


def composition(questions: Iterable[Question]) -> list[dict[str, Any]]:
    """How many questions there are of each source, its revision and part, and format."""
    counts = Counter(
        (q.source.name, q.source.revision, q.source.split, q.format) for q in questions
    )
    names = ("source", "revision", "split", "format")
    return [dict(zip(names, key)) | {"n": n} for key, n in sorted(counts.items())]
