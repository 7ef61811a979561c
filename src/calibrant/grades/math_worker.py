"""A process that compares mathematics: JSON lines in, JSON lines out. See `math`.

Symbolic algebra can take forever and all memory, in code that no signal interrupts: it is done
where it can be killed.
"""

from __future__ import annotations

import json
import logging
import re
import resource
import sys
from typing import Any

MEMORY = 2 << 30
_WORDS = re.compile(r"^[^\d\\^=+*/(){}\[\]]{2,}$")


def parsed(text: str, *, is_target: bool) -> list[Any]:
    """What the library reads in a text; a short text that holds no formula may be one itself."""
    from math_verify import parse

    marked = "$" in text or "boxed" in text
    whole = not marked and len(text) <= 200 and not _WORDS.match(text)
    if is_target and whole:
        return list(parse(f"${text}$", parsing_timeout=None))
    if is_target and not marked:
        return []
    found = list(parse(text, parsing_timeout=None))
    return found + (list(parse(f"${text}$", parsing_timeout=None)) if whole else [])


def compare(targets: list[str], answer: str) -> dict[str, Any]:
    """{"same": whether a target equals the answer, or None with "why"}."""
    from math_verify import verify

    known = [found for target in targets if (found := parsed(target, is_target=True))]
    if not known:
        return {"same": None, "why": "no target is mathematics"}
    said = parsed(answer, is_target=False)
    if not said:
        return {"same": False, "why": "no mathematics is in the answer"}
    alike = answer.strip(" $.") in {target.strip(" $.") for target in targets}
    same = alike or any(verify(target, said, timeout_seconds=None) for target in known)
    return {"same": bool(same), "why": ""}


def main() -> None:
    """Serve until the input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    logging.disable(logging.CRITICAL)
    for line in sys.stdin:
        job = json.loads(line)
        try:
            found = compare(job["targets"], job["answer"])
        except Exception as error:  # the library and sympy raise whatever they raise
            found = {"same": None, "why": f"the comparison failed: {type(error).__name__}"}
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
