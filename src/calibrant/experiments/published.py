"""The paper's published tables: means over subjects, a row a method and model.

The AUROC of some of them is refused by name: temperature cannot change AUROC, yet it does there.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from calibrant.errors import DamagedFile, InvalidData
from calibrant.experiments.compare import over_models

FILE = "paper_numbers/kapoor2024_published_mmlu_means.csv"
INVALID_AUROC = (
    "eval-mmlu_oe-base-ts",
    "eval-mmlu_choice-base-ts",
    "eval-mmlu_oe-ct-ts",
    "eval-mmlu_choice-ct-ts",
    "eval-mmlu_choice-logits_ts",
)
"""Methods whose AUROC in the published tables is not that of what they name."""
AUROC = "unc_auroc"
Published = Mapping[str, Mapping[str, Mapping[str, float]]]
"""Method -> model -> column -> value in [0, 1]; what the tables leave empty is absent."""


def read(path: Path) -> Published:
    """The published means.

    Raises
    ------
    DamagedFile
        When a row has no method or model, or a value that is no number.
    """
    found: dict[str, dict[str, dict[str, float]]] = {}
    with open(path, newline="", encoding="utf-8") as file:
        for number, row in enumerate(csv.DictReader(file), 2):
            try:
                method, model = row.pop("method"), row.pop("model")
                values = {name: float(value) for name, value in row.items() if value}
            except (KeyError, ValueError) as error:
                raise DamagedFile(f"{path}, line {number}: {error}") from error
            found.setdefault(method, {})[model] = values
    return found


def mean(published: Published, method: str, column: str, models: Sequence[str] = ()) -> float:
    """Mean over models (these, or all) of a method's column.

    Raises
    ------
    InvalidData
        When there is no such method or column, or its AUROC is not valid.
    """
    if column == AUROC and method in INVALID_AUROC:
        raise InvalidData(
            f"the published AUROC of {method} is not valid: temperature cannot change AUROC, yet"
            f" it does there; take that of {method.removesuffix('-ts').removesuffix('_ts')}"
        )
    if method not in published:
        raise InvalidData(f"the published tables have no method {method!r}")
    rows = published[method]
    chosen = list(models or rows)
    if missing := [m for m in chosen if column not in rows.get(m, {})]:
        raise InvalidData(f"{method} has no {column} of {', '.join(missing)}")
    return over_models({model: [rows[model][column]] for model in chosen})[0]
