"""Write the table of question sources into docs/questions.md, as the registry finds them.

python tools/sources.py
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from calibrant import registry
from calibrant.questions.published import Published

PAGE = Path(__file__).parents[1] / "docs" / "questions.md"
MARK = "<!-- the table of sources: python tools/sources.py -->"


def table() -> str:
    """A row for each source."""
    rows = [
        "| name | what it is | asked as | on the hub | usual split |",
        "|---|---|---|---|---|",
    ]
    rows += [_row(name, source) for name, source in registry.variants("questions").items()]
    return "\n".join(rows)


def _row(name: str, source: Any) -> str:
    about = (inspect.getdoc(source) or "").split("\n")[0].replace("|", "\\|")
    if not issubclass(source, Published):
        return f"| `{name}` | {about} | | | |"
    config = f", `{source.config}`" if source.config else ""
    revision = source.revision if "/" in source.revision else source.revision[:10]
    pinned = f" at `{revision}`" if revision else ", not pinned"
    hub = f"`{source.hub}`{config}{pinned}" if source.hub else "no: local files only"
    forms = ", ".join(source.formats)
    return f"| `{name}` | {about} | {forms} | {hub} | {source.part} |"


def page() -> str:
    """The page with its table as it should be."""
    before, _, after = PAGE.read_text("utf-8").split(MARK)
    return f"{before}{MARK}\n{table()}\n{MARK}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
