"""The package as a whole: its public names, its weight, its files."""

from __future__ import annotations

import ast
import importlib.util
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import calibrant
from calibrant import registry
from calibrant.errors import CalibrantError, MissingExtra, SeveralModels, UnknownName

ROOT = Path(__file__).parents[1]
PYTHON = [*ROOT.glob("src/**/*.py"), *ROOT.glob("tools/*.py"), *ROOT.glob("examples/*.py")]


def test_import_is_light() -> None:
    code = "import sys, calibrant; print(*(m for m in ('torch', 'numpy') if m in sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""


@pytest.mark.parametrize("name", calibrant.__all__)
def test_public_names_exist_and_are_documented(name: str) -> None:
    assert getattr(calibrant, name).__doc__


def test_unknown_names() -> None:
    with pytest.raises(AttributeError):
        _ = calibrant.nothing
    with pytest.raises(UnknownName, match="Did you mean 'lora_prompt'"):
        registry.get("estimators", "lora_promt")
    with pytest.raises(UnknownName, match="base_rate"):
        registry.get("estimators", "x")


def family(kind: type[CalibrantError]) -> Iterator[type[CalibrantError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from family(child)


@pytest.mark.parametrize("kind", [*family(CalibrantError)])
def test_errors_come_out_of_a_worker_as_they_went_in(kind: type[CalibrantError]) -> None:
    made_from = {
        UnknownName: ("estimator", "probes", ["probe"]),
        MissingExtra: ("a study", "study"),
        SeveralModels: ("scored.csv", ["a", "b"]),
    }
    error = kind(*made_from.get(kind, ("what was given",)))
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind and again.args == error.args and vars(again) == vars(error)


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: path.stem)
def test_files_and_functions_are_short(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            body = (node.end_lineno or 0) - node.body[0].lineno  # a long signature is no code
            assert body < 60, node.name


def test_numbers_wing_runs_without_torch(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(
        "confidence,correct\n" + "0.9,1\n0.2,0\n0.7,1\n0.4,0\n0.6,0\n" * 20
    )
    code = (
        "import sys\n"
        "for name in ('torch', 'transformers', 'peft'): sys.modules[name] = None\n"
        f"sys.argv = ['calibrant', 'evaluate', {str(tmp_path / 't.csv')!r}]\n"
        "from calibrant.cli import main; main()"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    assert "confidence" in found.stdout


@pytest.mark.parametrize("kind", ["estimators", "calibration", "grades", "questions"])
def test_the_documentation_names_every_variant(kind: str) -> None:
    told = "".join(path.read_text("utf-8") for path in (ROOT / "docs").glob("*.md"))
    assert [name for name in registry.variants(kind) if f"`{name}`" not in told] == []


def test_the_reference_is_what_the_code_says() -> None:
    place = ROOT / "tools" / "reference.py"
    spec = importlib.util.spec_from_file_location("reference", place)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text("utf-8") == module.page(), "run python tools/reference.py"
