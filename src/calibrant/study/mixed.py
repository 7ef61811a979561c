"""The secondary view: logistic models with random intercepts of participants and items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_array, hstack

from calibrant.study.data import Row


def agreement_model(trials: Sequence[Row]) -> list[Row]:
    """Log-odds of agreement: for each arm with a confidence an intercept (at 50 %) and a slope.

    Returns
    -------
    Rows of arm, term, estimate, sd, low, high; none where no
    confidence was shown.
    """
    rows = [row for row in trials if row["prediction_shown"] and row["confidence"] is not None]
    arms = sorted({row["arm"] for row in rows})
    if not rows:
        return []
    terms = [(arm, term) for arm in arms for term in ("at 50 %", "slope")]
    exog = np.zeros((len(rows), len(terms)))
    for i, row in enumerate(rows):
        place = 2 * arms.index(row["arm"])
        exog[i, place : place + 2] = 1.0, row["confidence"] - 0.5
    return _fitted(rows, np.array([row["agrees"] for row in rows], dtype=float), exog, terms)


def accuracy_model(trials: Sequence[Row], base: str) -> list[Row]:
    """Log-odds of a right answer: each arm against the arm `base`."""
    arms = [arm for arm in sorted({row["arm"] for row in trials}) if arm != base]
    if not arms or not any(row["arm"] == base for row in trials):
        return []
    exog = np.ones((len(trials), 1 + len(arms)))
    for k, arm in enumerate(arms):
        exog[:, 1 + k] = [row["arm"] == arm for row in trials]
    terms = [(base, "intercept"), *((arm, f"minus {base}") for arm in arms)]
    return _fitted(trials, np.array([row["correct"] for row in trials], dtype=float), exog, terms)


def _fitted(
    rows: Sequence[Row], outcome: Any, exog: Any, terms: Sequence[tuple[str, str]]
) -> list[Row]:
    from statsmodels.genmod.bayes_mixed_glm import BinomialBayesMixedGLM

    columns = [_indicators([row[name] for row in rows]) for name in ("participant", "item")]
    ident = np.repeat([0, 1], [column.shape[1] for column in columns])
    model = BinomialBayesMixedGLM(
        outcome, exog, hstack(columns, format="csr"), ident, vcp_p=1, fe_p=3
    )
    found = model.fit_vb(fit_method="L-BFGS-B")
    sds = _standard_errors(exog, model.exog_vc, ident, found)
    made = [
        {
            "arm": arm,
            "term": term,
            "estimate": float(mean),
            "sd": float(sd),
            "low": float(mean - 1.96 * sd),
            "high": float(mean + 1.96 * sd),
        }
        for (arm, term), mean, sd in zip(terms, found.fe_mean, sds)
    ]
    spread = [
        {
            "arm": "",
            "term": f"sd of {what}",
            "estimate": float(np.exp(mean)),
            "sd": None,
            "low": float(np.exp(mean - 1.96 * sd)),
            "high": float(np.exp(mean + 1.96 * sd)),
        }
        for what, mean, sd in zip(("participants", "items"), found.vcp_mean, found.vcp_sd)
    ]
    return made + spread


def _standard_errors(exog: Any, vc: Any, ident: Any, found: Any) -> Any:
    """Of the fixed effects, from the whole information matrix at the fitted values.

    The variational ones take all effects for independent, which makes intercepts look far too sure.
    """
    eta = exog @ found.fe_mean + vc @ found.vc_mean
    mu = 1 / (1 + np.exp(-eta))
    weight = (mu * (1 - mu))[:, None]
    x = np.asarray(exog)
    weighted = csr_array(vc).multiply(weight).tocsr()
    inner = (csr_array(vc).T @ weighted).toarray() + np.diag(np.exp(-2 * found.vcp_mean[ident]))
    cross = weighted.T @ x
    information = x.T @ (weight * x) - cross.T @ np.linalg.solve(inner, cross)
    return np.sqrt(np.diag(np.linalg.inv(information)))


def _indicators(labels: Sequence[str]) -> Any:
    names, place = np.unique(np.array(labels), return_inverse=True)
    n = len(labels)
    return csr_array((np.ones(n), (np.arange(n), place)), shape=(n, names.size))
