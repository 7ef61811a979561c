"""The README's snippets and commands run."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
CALIBRANT = [sys.executable, "-c", "from calibrant.cli import main; main()"]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def call(line: str, folder: Path) -> str:
    words = shlex.split(line, comments=True)
    found = subprocess.run([*CALIBRANT, *words[1:]], cwd=folder, capture_output=True, text=True)
    assert found.returncode == 0, f"{line}\n{found.stderr}"
    return found.stdout


def test_python(tmp_path: Path) -> None:
    (snippet,) = blocks("python")
    found = subprocess.run(
        [sys.executable, "-c", snippet], cwd=tmp_path, capture_output=True, text=True
    )
    assert found.returncode == 0, found.stderr
    assert 0 <= float(found.stdout.split()[-1]) <= 1


def test_shell(tmp_path: Path) -> None:
    (block,) = blocks("sh")
    for line in block.splitlines():
        assert call(line, tmp_path)
    assert (tmp_path / "runs" / "mine" / "report.html").exists()


def test_confidences_that_exist(tmp_path: Path) -> None:
    rows = "my_confidence,is_right\n" + "0.9,1\n0.2,0\n0.7,1\n0.4,0\n0.6,0\n" * 20
    (tmp_path / "answers.csv").write_text(rows)
    (line,) = re.findall(r"^    (calibrant evaluate .*)$", README, re.MULTILINE)
    assert call(line, tmp_path)
    assert (tmp_path / "runs" / "report" / "report.html").exists()


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)h][^)]*)\)", README))
def test_links(target: str) -> None:
    path, _, anchor = target.partition("#")
    assert (ROOT / path).exists()
    if anchor:
        titles = re.findall(r"^#+ (.*)$", (ROOT / path).read_text("utf-8"), re.MULTILINE)
        assert anchor in {re.sub(r"[^\w-]", "", t.lower().replace(" ", "-")) for t in titles}


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^    make (\S+)", README, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
