"""The command line: help, JSON, and one line for what a user can repair."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

from calibrant import pipeline
from calibrant.cli import VERBS, main, tell


def call(*words: str) -> subprocess.CompletedProcess[str]:
    """As from a shell, but that torch is imported already; what nobody caught is raised."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["calibrant", *words])
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


def alone(start: str, *words: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own, which executes `start` first."""
    code = f"{start}; from calibrant.cli import main; main()"
    return subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)


def fails(*words: str) -> str:
    """Exit code 2 and one line on stderr."""
    found = call(*words)
    assert found.returncode == 2, found.stderr
    lines = found.stderr.strip().splitlines()
    assert len(lines) == 1 and "Traceback" not in found.stderr, found.stderr
    return lines[0]


@pytest.mark.parametrize("verb", VERBS)
def test_help_has_an_example_and_json(verb: str) -> None:
    found = call(verb, "--help")
    assert found.returncode == 0
    assert f"Example: calibrant {verb}" in " ".join(found.stdout.split())
    assert "--json" in found.stdout


def test_help_lists_all_verbs() -> None:
    found = call("--help")
    assert all(verb in found.stdout for verb in VERBS)


def test_no_verb_is_help_and_the_version_is_told() -> None:
    for words in ((), ("study",)):
        found = call(*words)
        assert found.returncode == 0 and len(found.stdout.splitlines()) > 9 and not found.stderr
    assert call("--version").stdout.split() == ["calibrant", version("calibrant")]


def test_list_estimators() -> None:
    found = json.loads(call("list", "estimators", "--json").stdout)
    assert {row["name"] for row in found} >= {"base_rate", "lora_prompt", "zero_shot"}


def test_unknown_verb_and_option() -> None:
    found = alone("pass", "evaluat")
    assert found.returncode == 2 and len(found.stderr.splitlines()) == 1
    line = fails("evaluat")
    assert line in found.stderr and "'evaluat'" in line and "evaluate" in line and "doctor" in line
    assert "--colour" in fails("list", "estimators", "--colour")
    assert "estimators" in fails("list", "estimator")


def test_unknown_things(tmp_path: Path) -> None:
    out = ["--out", str(tmp_path / "run")]
    line = fails("run", "--model", "almanac-smal", *out)
    assert "almanac-small" in line
    with pytest.MonkeyPatch.context() as patch:  # no process starts for what cannot be had
        patch.setattr(pipeline, "begin", None)
        line = fails("run", "--questions", "almanack", *out)
    assert "'almanac'" in line
    assert "lora_prompt" in fails("run", "--estimators", "lora_promt", *out)
    assert "substring" in fails("run", "--grader", "substrin", *out)
    assert not (tmp_path / "run").exists()


def test_models_that_cannot_be_had(tmp_path: Path) -> None:
    assert "no model or folder" in fails(
        "run", "--model", "./nowhere", "--out", str(tmp_path / "a")
    )
    (tmp_path / "empty").mkdir()
    assert "config.json" in fails("run", "--model", str(tmp_path / "empty"))
    line = fails("run", "--model", "someone/model", "--out", str(tmp_path / "a"))
    assert "path of its folder" in line
    pickled = tmp_path / "pickled"
    pickled.mkdir()
    (pickled / "config.json").write_text('{"model_type": "llama"}')
    (pickled / "pytorch_model.bin").write_bytes(b"x")
    assert "safetensors" in fails("run", "--model", str(pickled), "--out", str(tmp_path / "a"))


def test_a_models_own_code_runs_only_if_it_is_trusted(
    model_folders: dict[str, str], tmp_path: Path
) -> None:
    folder = shutil.copytree(model_folders["llama"], tmp_path / "own")
    names = ("AutoConfig", "AutoModelForCausalLM")
    config = {"model_type": "own", "auto_map": dict.fromkeys(names, "own.Own")}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text("raise SystemExit(77)")
    line = fails("run", "--model", str(folder), "--out", str(tmp_path / "a"))
    assert "--trust-remote-code" in line
    for verb in ("fit", "score", "recalibrate", "ask"):
        assert "--trust-remote-code" in call(verb, "--help").stdout


def test_damaged_weights_are_named(model_folders: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(model_folders["llama"], folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    assert str(folder) in fails("run", "--model", str(folder), "--out", str(tmp_path / "a"))


def test_weights_that_lack_a_layer_are_named(model_folders: dict[str, str], tmp_path: Path) -> None:
    """transformers would draw them and go on."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(model_folders["llama"], tmp_path / "model")
    path = tmp_path / "model" / "model.safetensors"
    tensors = load_file(path)
    gone = [name for name in tensors if "layers.1." in name]
    assert gone
    kept = {name: tensor for name, tensor in tensors.items() if name not in gone}
    save_file(kept, path, {"format": "pt"})
    line = fails("run", "--model", str(tmp_path / "model"), "--out", str(tmp_path / "a"))
    assert "lacks weights" in line and f"{len(gone)}, such as {min(gone)}" in line


def test_a_model_that_has_changed_since_it_answered(
    model_folders: dict[str, str], tmp_path: Path
) -> None:
    from calibrant.runs import Run

    made = {"name": model_folders["llama"], "revision": "before"}
    Run(tmp_path / "run", {"model": made, "prompt": "p", "seed": 0})
    line = fails("fit", str(tmp_path / "run"), "--estimators", "zero_shot")
    assert "is another model now" in line and "(before)" in line


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--dtype", "float23"), "Did you mean 'float32'"),
        (("--device", "cdua"), "Did you mean 'cuda'"),
        (("--device", "cuda"), "no device cuda here"),
    ],
)
def test_a_device_or_dtype_that_is_not_there(
    tmp_path: Path, words: tuple[str, str], told: str
) -> None:
    if words[1] == "cuda" and torch.cuda.is_available():
        pytest.skip("there is one")
    assert told in fails("run", *words, "--out", str(tmp_path / "a"))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("confidence,correct\n0.5,1\n1.5,0\n", "1.5"),
        ("confidence,correct\nnan,1\n0.5,0\n", "nan"),
        ("confidence,correct\n0.5,1\n0.5,maybe\n", "maybe"),
        ("confidence,correct\n0.5,\n0.6,\n", "graded"),
        ("confidence,correct\n,1\n,0\n", "no graded row has a confidence"),
        ("confidence,correct\n", "no rows"),
        ("sure,right\n0.5,1\n", "no column"),
        ("confidence,correct\n0.5,1,2\n", "line 2"),
    ],
)
def test_bad_tables(tmp_path: Path, content: str, expected: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(content)
    assert expected in fails("evaluate", str(path))


def test_clips_that_leave_nothing(tmp_path: Path) -> None:
    for clip in ("2", "0", "nan"):
        line = fails("evaluate", str(tmp_path / "t.csv"), "--clip", clip)
        assert f"--clip is {clip}" in line and "0.5" in line


def test_options_that_would_do_nothing(tmp_path: Path) -> None:
    where = ("--where", "a=b", "--confidence", "c,d", "--options", "p", "--out", "o")
    line = fails("evaluate", str(tmp_path), *where)
    assert line.endswith("is a run; for tables only: --confidence, --options, --where, --out")
    assert "--subsets" in fails("run", "--answers", "a.csv", "--subsets", "unseen")


@pytest.mark.parametrize(
    "words",
    [
        ("run", "--n-train", "0"),
        ("run", "--answers", "a.csv", "--n-test", "-1"),
        ("answer", "--n-train", "0"),
        ("report", "run", "--n-bins", "0"),
    ],
)
def test_numbers_that_leave_nothing(words: tuple[str, ...]) -> None:
    assert f"'{words[-2]}'" in fails(*words)


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    table, file = tmp_path / "t.csv", tmp_path / "file"
    table.write_text("confidence,correct\n" + "0.9,1\n0.2,0\n0.7,1\n0.4,0\n0.6,0\n" * 20)
    file.write_text("")
    line = fails("evaluate", str(table), "--n-resamples", "0", "--out", str(file))
    assert str(file) in line and "exists" in line
    (tmp_path / "o.csv").mkdir()
    for out in (tmp_path / "o.csv", file / "o.csv"):  # told before anything is scored
        line = fails("score", str(tmp_path), str(table), "--out", str(out))
        assert f"{out} cannot be written" in line


def test_files_that_are_not_there(tmp_path: Path) -> None:
    out = str(tmp_path / "scored.txt")  # told before anything is scored
    assert ".parquet" in fails("score", str(tmp_path), str(tmp_path / "a.csv"), "--out", out)
    assert "nothing.csv" in fails("evaluate", str(tmp_path / "nothing.csv"))
    assert "manifest.json" in fails("grade", str(tmp_path))
    assert "artefact.json" in fails("ask", "What?", "--artefact", str(tmp_path))
    (tmp_path / "t.parquet").write_bytes(b"PAR1 nonsense")
    assert "damaged" in fails("evaluate", str(tmp_path / "t.parquet"))


@pytest.mark.parametrize("name", ["torch", "transformers", "peft"])
def test_what_is_not_installed_is_told_with_its_extra(tmp_path: Path, name: str) -> None:
    start = f"import sys; sys.modules[{name!r}] = None"
    found = alone(start, "run", "--out", str(tmp_path / "run"))
    assert found.returncode == 2 and len(found.stderr.splitlines()) == 1, found.stderr
    assert name in found.stderr and "pip install 'calibrant[models]'" in found.stderr


def test_json_has_no_infinity(capsys: pytest.CaptureFixture[str]) -> None:
    tell({"score": float("inf"), "all": [{"score": float("nan")}, 0.5]}, True, "")
    written = capsys.readouterr().out
    assert "Infinity" not in written and "NaN" not in written
    assert json.loads(written) == {"score": None, "all": [{"score": None}, 0.5]}


def test_doctor() -> None:
    found = json.loads(alone("pass", "doctor", "--json").stdout)
    assert "numpy" in found["versions"] and found["OMP_WAIT_POLICY"] == "PASSIVE"
