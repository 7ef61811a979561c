"""Put the results of a finished run over the almanac, and its diagram, into the README.

python tools/readme.py runs/demo
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from calibrant.reporting.terminal import markdown_table

ROOT = Path(__file__).parents[1]
SHOWN = [
    (("open", subset), metric)
    for subset, metrics in (
        ("seen", ("auroc", "auroc_subject_mean", "brier_score", "ece", "ece_floor")),
        ("development", ("auroc",)),
        ("unseen", ("auroc", "brier_score", "ece", "ece_floor")),
    )
    for metric in metrics
]


def main() -> None:
    """Rewrite what stands between the markers."""
    run = Path(sys.argv[1])
    found = json.loads((run / "metrics.json").read_text())
    images = ROOT / "docs" / "images"
    images.mkdir(exist_ok=True)
    shutil.copy(run / "figures" / "before_after.png", images / "before_after.png")
    parts = {
        "diagram": "![Reliability before and after tuning](docs/images/before_after.png)",
        "results": markdown_table(found, SHOWN),
    }
    text = (ROOT / "README.md").read_text()
    for name, new in parts.items():
        start, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        before, rest = text.split(start)
        after = rest.split(end)[-1]
        text = f"{before}{start}\n\n{new}\n\n{end}{after}"
    (ROOT / "README.md").write_text(text)


if __name__ == "__main__":
    main()
