"""Taking some questions of many subjects: an equal quota from each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import chain, zip_longest

from calibrant.records import Question, content_hash


def equal_quota(questions: Sequence[Question], n: int, seed: int = 0) -> list[Question]:
    """`n` questions at random (all when there are fewer), as equally many of each subject as can.

    The same questions whatever their order; a larger `n` only adds to a smaller one's.
    """
    by_subject: dict[str, list[Question]] = defaultdict(list)
    for question in sorted(questions, key=lambda q: content_hash("quota", seed, q.id)):
        by_subject[question.subject].append(question)
    turns = zip_longest(*(by_subject[subject] for subject in sorted(by_subject)))
    return [question for question in chain(*turns) if question is not None][:n]
