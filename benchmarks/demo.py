"""The demo's wall time and peak memory on this machine; nothing else should be running.

python benchmarks/demo.py [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from calibrant.runs import Run
from spent import spent


def main() -> None:
    """Run the demo into a folder of its own and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "demo"
        row: dict[str, float] = spent(["run", "--model", "almanac-small-chat", "--out", str(out)])
        row["n_answers"] = len(Run(out).read("answers"))
    print(row)
    if arguments.json:
        arguments.json.write_text(json.dumps([row]))


if __name__ == "__main__":
    main()
