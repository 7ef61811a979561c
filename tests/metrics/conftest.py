"""Where the numbers of other libraries lie, when they are here."""

import json
from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "../shared"


@pytest.fixture(scope="session")
def shared():
    """The folder `shared` beside the repository."""
    if not SHARED.is_dir():
        pytest.skip("../shared (oracles and real data) is not on this machine")
    return SHARED


@pytest.fixture(scope="session")
def oracles(shared):
    """Inputs and values of other libraries, by case: the letter that starts its name."""
    found = json.loads((shared / "oracles/ece_by_library.json").read_text())
    return {
        name[0]: {**rows, "values": found["values"].get(name, {})}
        for name, rows in found["inputs"].items()
    }


@pytest.fixture(scope="session")
def reference(shared):
    """Values computed with scikit-learn from the real answers."""
    return json.loads((shared / "data/llm_answers/reference.json").read_text())
