"""Every experiment runs, on very little; what is missing is told; nothing is computed twice."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from calibrant import registry
from calibrant.cli import app
from calibrant.errors import InvalidData
from calibrant.experiments import (
    arms,
    bench,
    code,
    fitting,
    label_count,
    pages,
    results,
    user_study,
)
from calibrant.experiments.bench import Bench
from calibrant.experiments.code import mutants
from calibrant.experiments.experiment import (
    HOLDS,
    IN_PART,
    NOT,
    NOT_RUN,
    UNTESTABLE,
    Experiment,
    Findings,
)
from calibrant.grades.sandbox import why_no_sandbox
from calibrant.models.local import embedded
from calibrant.questions.mixture import Sizes
from calibrant.records import Question, Verdict

MODEL = "almanac-mini"
NAMES = sorted(registry.variants("experiments"))
OF_THE_PAPER = {
    "main_table", "likelihood_vs_scale", "prompting_vs_tuning", "label_count", "regulariser",
    "parameterisation", "subject_shift", "format_shift", "unanswerable", "incorrect_answers",
    "cross_model", "embeddings", "graders", "code", "answer_length", "robustness", "user_study",
}  # fmt: skip
DATA = {"graders": "evouna", "code": "leetcode"}
"""Experiments that cannot do anything without data that are not in the package."""
SHARED = Path(__file__).parents[2].parent / "shared" / "data"


def test_all_are_there_and_declare_what_they_claim() -> None:
    assert set(NAMES) >= OF_THE_PAPER
    for name in NAMES:
        experiment: Experiment = registry.get("experiments", name)()
        assert experiment.title and experiment.counterpart and experiment.question.endswith("?")
        assert bool(experiment.claims) == (name in OF_THE_PAPER)
        assert len({claim.name for claim in experiment.claims}) == len(experiment.claims)
        assert experiment.may_be_untestable == (name in ("likelihood_vs_scale", "code"))
    assert results.names()[0] == "main_table"


def test_models_that_nobody_named(tmp_path: Path) -> None:
    demo = (Path(__file__).parents[2] / "Makefile").read_text().split("--model ")[1].split()[0]
    for name in NAMES:
        on_all = registry.get("experiments", name).on_all
        one = Bench(out=tmp_path, on_all=on_all)
        assert one.names == (tuple(embedded()) if on_all else (demo,))
        assert len(replace(one, quick=True).names) == 1 + on_all
        assert replace(one, model_names=(MODEL,)).names == (MODEL,)
    assert registry.get("experiments", "main_table").on_all


@pytest.fixture(scope="module")
def small() -> Any:
    """Sizes at which an experiment takes seconds."""
    patch = pytest.MonkeyPatch()
    sizes = Sizes(train=48, validation=28, calibration=42, test=56, unanswerable=28)
    patch.setattr(bench, "QUICK", sizes)
    patch.setattr(arms, "N_DEAR_QUICK", 6)
    patch.setattr(label_count, "QUICK", (24, 48))
    patch.setattr(user_study, "QUICK", (6, 8))
    yield
    patch.undo()


HEAVY = ("main_table", "estimators", "prompting_vs_tuning")
"""Those that write many texts: only in the slow tests."""


def checked(found: dict[str, Any], folder: Path) -> None:
    """What holds of the findings of every experiment."""
    experiment = registry.get("experiments", found["name"])()
    told = " ".join([*found["not_run"], found["untestable"]])
    for claim in experiment.claims:
        ruling = found["rulings"][claim.name]
        assert ruling in ("shown", "reversed", "undecided", NOT_RUN)
        assert (ruling == NOT_RUN) == (claim.name not in found["differences"])
        if ruling == NOT_RUN:
            assert told, f"{claim.name} was not run, and nothing says why"
        else:
            difference = found["differences"][claim.name]
            assert difference["n"] > 0 and 0 <= difference["p"] <= 1
    assert found["verdict"] in (HOLDS, IN_PART, NOT, NOT_RUN, UNTESTABLE, "makes no claim")
    for title in found["tables"]:
        assert (folder / f"{title}.csv").read_text().count("\n") > 1
    for title in found["figures"]:
        assert (folder / f"{title}.svg").read_text().startswith("<svg")
        assert (folder / f"{title}.png").stat().st_size > 1000


@pytest.mark.slow
@pytest.mark.parametrize("name", HEAVY)
def test_the_heavy_ones(name: str, small: None, tmp_path: Path) -> None:
    one = Bench(out=tmp_path, model_names=(MODEL,), quick=True)
    checked(results.done(name, one, "test"), tmp_path / name)


def test_every_other_one(small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One after another on one bench, as they share what they compute."""
    one = Bench(out=tmp_path, model_names=(MODEL,), quick=True)
    found = {}
    for name in NAMES:
        if name in HEAVY:
            continue
        found[name] = results.done(name, one, f"calibrant experiment {name}")
        checked(found[name], tmp_path / name)
        assert not found[name]["bench"]["has_opened"], "a quick run looks at no unseen subject"
        if name in DATA:
            assert found[name]["verdict"] == NOT_RUN
            assert f"{DATA[name]}" in found[name]["not_run"][0] and not found[name]["tables"]
        elif name != "cross_model":  # which takes two models
            assert found[name]["tables"] and found[name]["verdict"] != NOT_RUN, name

    def refuse(*_: object) -> None:
        raise AssertionError("computed a second time")

    monkeypatch.setattr(fitting, "fit_and_score", refuse)
    monkeypatch.setattr(bench, "fit_and_score", refuse)
    again = Bench(out=tmp_path, model_names=(MODEL,), quick=True)
    for name, before in found.items():
        if before["tables"]:  # else what was missing is looked for again
            assert results.done(name, again, "again") == before
    shutil.rmtree(tmp_path / "format_shift")  # what is lost is made from what lies in the cache
    made = results.done("format_shift", again, "again")
    assert made["differences"] == found["format_shift"]["differences"]
    _pages(tmp_path, found)


def _pages(out: Path, found: dict[str, Any]) -> None:
    for one in found.values():  # one at a time, as calls of their own do
        pages.write([one], out, out / "pages")
    summary = (out / "pages" / "README.md").read_text()
    for name, one in found.items():
        page = (out / "pages" / f"{name}.md").read_text()
        assert f"[{name}]({name}.md)" in summary
        assert f"calibrant experiment {name}" in page or name == "format_shift"
        assert "Seeds 0." in page and "This is a quick run" in page
        for told in one["not_run"]:
            assert told in page
    assert "Not run: main_table, estimators, prompting_vs_tuning." in summary
    adjusted = pages.over_all(list(found.values()))
    for name, one in found.items():
        for claim in one["claims"][:1]:
            assert f"| {name} | {claim['text']}" in summary.partition("## The other claims")[0]
        for claim in one["claims"][1:]:
            assert f"| {name} | {claim['text']}" in summary.partition("## The other claims")[2]
        for claim, p in adjusted[name]["p"].items():  # correcting can only raise p
            assert p >= one["differences"][claim]["p"]


def test_openings_of_unseen_subjects_are_logged(tmp_path: Path) -> None:
    """Once a run, and none of a quick one, which does not open them."""
    bench = {
        "is_usual": True, "subset": "unseen", "models": ["m (1)"], "questions": "almanac",
        "seeds": [0, 1], "has_opened": True, "quick": False, "numbers": "",
        "counts": {"open": {"train": 9, "unseen": 5}},
    }  # fmt: skip
    made = {"date": "2026-01-01", "commit": "c1", "cpu": "x", "n_cores": 1, "memory_gib": 1}
    one = {
        "name": "format_shift", "title": "t", "counterpart": "c", "question": "q?", "claims": [],
        "differences": {}, "untestable": "", "tables": {"a": [{"n": 1}]}, "figures": [],
        "notes": [], "not_run": [], "paper": [], "command": "x", "seconds": 1.0, "bench": bench,
        "made_on": made,
    }  # fmt: skip
    quick = {**one, "name": "code", "bench": {**bench, "has_opened": False}}
    for _ in range(2):
        pages.write([one, quick], tmp_path, tmp_path)
    pages.write([{**one, "made_on": {**made, "commit": "c2"}}], tmp_path, tmp_path)
    rows = (tmp_path / "openings.csv").read_text().splitlines()
    assert rows[0] == "date,commit,experiment,models,questions,seeds"
    assert [row.split(",")[1:3] for row in rows[1:]] == [
        ["c1", "format_shift"],
        ["c2", "format_shift"],
    ]


def test_untestable_is_only_for_some(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Bench(out=tmp_path, model_names=(MODEL,), quick=True)
    cls = registry.get("experiments", "format_shift")
    monkeypatch.setattr(cls, "run", lambda self, bench: Findings(untestable="too hard"))
    with pytest.raises(InvalidData, match="may not be called untestable"):
        results.done("format_shift", one, "test")


def test_solutions_run_with_the_imports_of_their_problem(tmp_path: Path) -> None:
    if why := why_no_sandbox():
        assert not os.environ.get("CI"), why
        pytest.skip(why)
    row = {
        "query": "Count.", "prompt": "from typing import List\nimport math\n", "difficulty": "Easy",
        "completion": "class Solution:\n    def f(self, a: List[int]) -> int:\n"
        "        return math.floor(len(a) + 1) - 1\n",
        "test": "def check(f):\n    assert f([3, 4]) == 2\n", "entry_point": "Solution().f",
    }  # fmt: skip
    place = tmp_path / "leetcode" / code.FILE
    place.parent.mkdir()
    with gzip.open(place, "wt") as file:
        wanting = {"query": "Sort.", "prompt": "import no_such_module\n"}
        file.write("\n".join([json.dumps(row), json.dumps(row | wanting)]))
    every = code.graded(Bench(out=tmp_path, data=tmp_path, quick=True))
    items = [item for item in every if item.question.text.startswith("Count.")]
    verdicts = [item.grade.verdict for item in items]
    assert verdicts[0] is Verdict.CORRECT, items[0].grade.reason
    assert Verdict.INCORRECT in verdicts[1:]
    assert len(every) == 2 * len(items)  # what no machine of ours could run tells nothing
    assert not any(item.is_graded for item in every[len(items) :])
    assert all("import" not in item.answer.text for item in items)
    assert [item.grade.answer_id for item in items] == [item.answer.id for item in items]


def test_programs_of_a_model_that_is_named_are_judged_by_itself(
    make_model: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if why := why_no_sandbox():
        assert not os.environ.get("CI"), why
        pytest.skip(why)
    place = tmp_path / "leetcode" / code.FILE
    place.parent.mkdir()
    rows = [
        {"query": f"Give {n}.", "prompt": "import math", "completion": "def f(): pass",
         "test": f"def check(f):\n    assert f() == {n}\n", "entry_point": "f"}
        for n in range(48)
    ]  # fmt: skip
    with gzip.open(place, "wt") as file:
        file.write("\n".join(map(json.dumps, rows)))
    monkeypatch.setattr(code, "QUICK", len(rows))
    asked: list[int] = []

    class Writer:
        def ask(self, questions: list[Question], how: str) -> list[str]:
            asked.append(len(questions))
            numbers = [int(re.findall(r"\d+", q.text)[0]) for q in questions]
            self.failed = {i: "too long" for i, n in enumerate(numbers) if n == 9}
            self.cut = {i for i, n in enumerate(numbers) if n < 3}
            # One in three is wrong, and one takes what is nowhere.
            texts = [f"def f():\n    return {n + (n % 3 == 0)}" for n in numbers]
            return ["import no_such_module" if n == 7 else t for n, t in zip(numbers, texts)]

    monkeypatch.setattr(code, "talk_with", lambda *given, **how: Writer())
    bench = Bench(out=tmp_path, model_names=(make_model("llama"),), data=tmp_path, quick=True)
    tables, told, cannot = code._own(bench)
    ((name, table),) = tables.items()
    assert name.startswith("own_programs_of_") and not cannot
    assert "wrote 47 programs, of which 31 pass and 16 do not; 3 were cut" in told[1]
    assert "no room for 1 " in told[0] and len(told) == 2
    items = code.written(bench, bench.models[0])
    assert [item.grade.answer_id for item in items] == [item.answer.id for item in items]
    assert all(code.HOW in item.question.text for item in items)
    assert [row["arm"] for row in table] == ["zero_shot", "lora_prompt", "base_rate"]
    assert all(0 < row["accuracy"] < 1 for row in table)
    assert code._own(bench)[0] == tables and asked == [48, 1, 1]  # room is looked for again
    monkeypatch.setattr(Writer, "ask", lambda self, questions, how: ["def f(): 0"] * len(questions))
    monkeypatch.setattr(Writer, "failed", {}, raising=False)
    monkeypatch.setattr(Writer, "cut", set(), raising=False)
    other = replace(bench, load={"dtype": "float64"})  # other programs, and verdicts on these
    tables, told, cannot = code._own(other)
    assert not tables and "of which 0 pass" in told[0] and code.TOO_FEW in cannot[0]
    monkeypatch.setattr(Writer, "failed", dict.fromkeys(range(48), "too long"))
    tables, told, cannot = code._own(replace(bench, load={"dtype": "bfloat16"}))
    assert not tables and "no room for 48" in told[0] and "room for no problem" in cannot[0]


def test_mutants_differ_and_parse() -> None:
    text = "def f(a, b):\n    return max(a, b) + 1 if a < b else min(a - 1, 2 * b)\n"
    made = mutants(text)
    assert len(made) == code.N_MUTANTS and text not in made
    for one in made:
        compile(one, "mutant", "exec")


def test_only_the_user_study_takes_what_a_study_takes(tmp_path: Path) -> None:
    """All other experiments are there without the extra: the demo does not install it."""
    start = (
        "import sys\n"
        "for name in ('httpx', 'psycopg', 'sqlalchemy', 'starlette', 'statsmodels', 'uvicorn'):\n"
        "    sys.modules[name] = None\n"
        "from calibrant.cli import main; main()"
    )
    for name, why in (("user_study", "pip install 'calibrant[study]'"), ("graders", "--data DIR")):
        words = [sys.executable, "-c", start, "experiment", name, "--out", str(tmp_path)]
        found = subprocess.run(words, capture_output=True, text=True, check=True)
        assert f"{name:22}  not run" in found.stdout and why in found.stdout
        assert found.stdout.count("needs the extra") == (name == "user_study")


def test_a_command_is_told_without_the_folders_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    words = ["experiment", "graders", f"--out={tmp_path / 'results'}"]
    words += ["--data", str(tmp_path / "mine"), "--pages", str(tmp_path / "pages")]
    monkeypatch.setattr("sys.argv", ["calibrant", *words])
    app(["experiment"])(words, standalone_mode=False)
    told = json.loads((tmp_path / "results" / "graders" / "findings.json").read_text())["command"]
    assert told == "calibrant experiment graders --out=results --data DATA --pages pages"


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_quick_from_the_command_line(tmp_path: Path) -> None:
    """All of them, with two models and the data beside the repository."""
    if not SHARED.exists():
        pytest.skip(f"{SHARED} is absent")
    words = ["experiment", "all", "--quick", "--out", str(tmp_path), "--data", str(SHARED)]
    app(["experiment"])(words, standalone_mode=False)
    for name in NAMES:
        found = json.loads((tmp_path / name / "findings.json").read_text())
        checked(found, tmp_path / name)
        experiment = registry.get("experiments", name)
        n_models = (1 + experiment.on_all) * experiment.uses_models
        assert len(found["bench"]["models"]) == n_models, name
        assert found["verdict"] != NOT_RUN, name
