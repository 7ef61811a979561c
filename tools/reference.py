"""Write docs/reference.md: every estimator, calibrator and grader, as the registry finds them.

python tools/reference.py
"""

from __future__ import annotations

import inspect
from dataclasses import fields
from pathlib import Path
from typing import Any

from calibrant import registry

PAGE = Path(__file__).parents[1] / "docs" / "reference.md"
HEAD = """# Estimators, calibrators, graders

Written by `python tools/reference.py` from the code: a variant is a file, and its first line of
documentation stands here. An estimator's settings go with `calibrant fit --set NAME=VALUE`, a
grader's with `calibrant grade`, `run` or `agree --set`, a calibrator's only in Python;
`pydoc calibrant.FOLDER.NAME` tells what they mean.
"""


def first_line(variant: Any) -> str:
    """What it is, in one line."""
    return (inspect.getdoc(variant) or "").split("\n\n")[0].replace("\n", " ").replace("|", "\\|")


def settings(variant: Any) -> str:
    """Names of the settings."""
    return ", ".join(f"`{field.name}`" for field in fields(variant)) or "-"


def estimators() -> list[str]:
    """Rows with what each needs of a model, and the forms that its name stands for."""
    rows = [
        "| name | what it is | needs of the model | forms | settings |",
        "|---|---|---|---|---|",
    ]
    for name, cls in registry.variants("estimators").items():
        forms = cls.forms()
        needs = sorted({need for form in forms for need in form.needs})
        variants = ", ".join(form.variant for form in forms if form.variant)
        rows.append(
            f"| `{name}` | {first_line(cls)} | {', '.join(needs) or 'nothing'}"
            f" | {variants or '-'} | {settings(cls)} |"
        )
    return rows


def plain(kind: str) -> list[str]:
    """Rows of a kind without forms."""
    rows = ["| name | what it is | settings |", "|---|---|---|"]
    rows += [
        f"| `{name}` | {first_line(cls)} | {settings(cls)} |"
        for name, cls in registry.variants(kind).items()
    ]
    return rows


def page() -> str:
    """The whole page."""
    parts = [
        HEAD,
        "## Estimators\n\n" + "\n".join(estimators()) + "\n",
        "## Calibrators\n\n" + "\n".join(plain("calibration")) + "\n",
        "## Graders\n\n" + "\n".join(plain("grades")) + "\n",
    ]
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
