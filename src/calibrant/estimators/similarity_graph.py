"""Where the answer stands in the graph of similarities between it and the model's samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from calibrant.estimators.estimator import (
    Say,
    Scores,
    Unfitted,
    Untrained,
    log_odds,
    silent,
)
from calibrant.estimators.sampled import Compared, Floats, said
from calibrant.models.model import Model
from calibrant.records import Answer, Answered

Form = Literal["degree", "eccentricity"]
EIGENVALUE = 0.9
"""Only eigenvectors with smaller eigenvalues tell clusters apart (Lin et al. 2024)."""


@dataclass(frozen=True, kw_only=True)
class SimilarityGraph(Compared, Untrained):
    """How central the answer is among the samples (Lin et al. 2024); it is a node like them.

    `degree` is its mean similarity to all nodes, itself included; `eccentricity` is minus its
    distance from the centre where the graph's Laplacian puts it.
    """

    name: ClassVar = "similarity_graph"
    form: Form = "degree"
    """What is read from the graph."""

    @property
    def score_is_confidence(self) -> bool:
        """A similarity is no probability."""
        return False


class FittedSimilarityGraph(Unfitted):
    """Nothing but the settings."""

    estimator: SimilarityGraph

    def score(self, items: Sequence[Answered], model: Model, say: Say = silent) -> Scores:
        """Log-odds of the degree, infinite where all are alike; or minus the eccentricity."""
        estimator = self.estimator

        def work(items: list[Answered], samples: list[list[Answer]]) -> Floats:
            texts = [[said(item.answer), *map(said, drawn)] for item, drawn in zip(items, samples)]
            groups = [(item.question, words, words) for item, words in zip(items, texts)]
            graphs = estimator.compare(groups, model, say)
            if estimator.form == "degree":
                return log_odds(np.array([degree(graph)[0] for graph in graphs]))
            return -np.array([eccentricity(graph)[0] for graph in graphs])

        return estimator.scores(items, model, say, work)


def degree(similarity: Floats) -> Floats:
    """Mean similarity (K,) of each node to all, itself included, from similarities (K, K)."""
    return np.asarray(similarity.mean(1))


def eccentricity(similarity: Floats) -> Floats:
    """Distance (K,) of each node from the centre, from similarities (K, K).

    Nodes are placed by the eigenvectors of the normalised Laplacian I - D^-1/2 W D^-1/2 whose
    eigenvalues are below `EIGENVALUE`. The distance does not depend on the choice of
    eigenvectors within one eigenvalue.
    """
    scale = 1 / np.sqrt(similarity.sum(1))
    laplacian = np.eye(len(similarity)) - scale[:, None] * similarity * scale
    eigenvalues, eigenvectors = np.linalg.eigh(laplacian)
    places = eigenvectors[:, eigenvalues < EIGENVALUE]
    return np.asarray(np.linalg.norm(places - places.mean(0), axis=1))
