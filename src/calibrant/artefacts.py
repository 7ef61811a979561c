"""Using an artefact: ask a question, score answers that are given, share it through a hub."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from calibrant.answers.generate import MAX_NEW_TOKENS, Generation, generated
from calibrant.answers.given import given_answer
from calibrant.answers.prompts import Prompts
from calibrant.errors import InvalidData, Mismatch, MissingExtra, ModelUnavailable
from calibrant.estimators.calibrated import (
    Calibrated,
    load_calibrated,
    read_artefact,
    recalibrated,
)
from calibrant.estimators.estimator import Say, silent
from calibrant.estimators.forms import estimator_of
from calibrant.evaluation.external import verdict
from calibrant.models.hub import why_silent
from calibrant.models.local import LocalModel, local
from calibrant.models.model import Given, Model
from calibrant.models.remote import model_called
from calibrant.models.weights import quantization_of
from calibrant.records import (
    Answer,
    Answered,
    Confidence,
    Grade,
    Graded,
    Question,
    Verdict,
)
from calibrant.tables import Reading

FILES = ["artefact.json", "README.md", "*.safetensors", "*adapter_config.json"]
"""What an artefact's folder holds; nothing else is sent to a hub or taken from one."""


def load_artefact(
    folder: str | Path,
    *,
    model: str = "",
    allow_mismatch: bool = False,
    to_answer: bool = False,
    **options: Any,
) -> tuple[Calibrated, Model]:
    """An artefact with the model that it was made with (or one called `model`).

    An estimator that calls no model gets none, unless one is named or is `to_answer`.

    Parameters
    ----------
    model
        Where the model lies now, or NAME@URL of one behind an endpoint.
    options
        Of a `LocalModel`; it is quantized as the one that the artefact was made with.
    """
    artefact = read_artefact(folder)
    made = artefact["made_with"]["model"]
    name = made["name"]
    base: Model = Given(name)
    options = {"quantize": quantization_of(made["revision"]), **options}
    if model:
        base = model_called(model, **options)
    elif to_answer or estimator_of(artefact).calls_model:
        try:
            base = LocalModel(name, **options)
        except ModelUnavailable as error:
            raise ModelUnavailable(
                f"{folder} is for the model {name}: {error} If it lies elsewhere, name that place"
                " (--model), or NAME@URL of one behind an endpoint."
            ) from error
    checks = {"allow_mismatch": allow_mismatch, "to_answer": to_answer}
    return load_calibrated(folder, base, **checks), base


def score_rows(
    rows: Sequence[Mapping[str, Any]], calibrated: Calibrated, model: Model, say: Say = silent
) -> list[dict[str, Any]]:
    """Rows of a table with `confidence` and `confidence_reason` added, or in place of those there.

    Raises
    ------
    InvalidData
        When the table has no column `question`, `answer` or of what the estimator reads beside
        them, or a row holds something else than it should.
    """
    _check_columns(rows, "question", "answer", *calibrated.fitted.reads)
    if any("confidence" in row for row in rows):
        say("the column confidence of the table is replaced")
    items = _items(rows)
    found = dict(zip(items, calibrated.confidences(list(items.values()), model, say)))
    return [
        {
            **row,
            "confidence": found[i].value if i in found else None,
            "confidence_reason": found[i].reason if i in found else "no question or no answer",
        }
        for i, row in enumerate(rows)
    ]


def recalibrate_rows(
    rows: Sequence[Mapping[str, Any]], calibrated: Calibrated, model: Model, say: Say = silent
) -> Calibrated:
    """The artefact with its bias fitted anew on the graded answers of a table.

    Parameters
    ----------
    rows
        With `correct` (1, 0, or empty where ungraded) beside the columns of `score_rows`.

    Raises
    ------
    InvalidData
        When a column is missing or no answer is graded.
    """
    _check_columns(rows, "question", "answer", "correct", *calibrated.fitted.reads)
    known = {1.0: Verdict.CORRECT, 0.0: Verdict.INCORRECT}
    items, there = [], _items(rows)
    if lost := len(rows) - len(there):
        say(f"{lost} of {len(rows)} rows have no question or no answer: left out")
    for i, item in there.items():
        found = known.get(verdict(rows[i].get("correct"), i), Verdict.UNGRADED)
        grade = Grade(answer_id=item.answer.id, verdict=found, grader="given", reason="given")
        items.append(Graded(question=item.question, answer=item.answer, grade=grade))
    return recalibrated(calibrated, items, model, say)


def _check_columns(rows: Sequence[Mapping[str, Any]], *names: str) -> None:
    there = {name for row in rows for name in row}
    if rows and (lost := [name for name in names if name not in there]):
        raise InvalidData(f"the table has no column {lost[0]!r}; it has {', '.join(sorted(there))}")


def _items(rows: Sequence[Mapping[str, Any]]) -> dict[int, Answered]:
    """Row -> its answer, of those with question and answer."""
    found, reading = {}, Reading()
    for i, row in enumerate(rows):
        cells = [reading.cell(dict(row), name) for name in ("question", "answer")]
        if all(cell is not None and str(cell).strip() for cell in cells):
            try:
                found[i] = given_answer(dict(row))
            except InvalidData as error:
                raise InvalidData(f"row {i + 1}: {error}") from error
    return found


def answer_with_confidence(
    questions: Sequence[Question],
    calibrated: Calibrated,
    model: LocalModel,
    *,
    max_new_tokens: int = MAX_NEW_TOKENS,
    say: Say = silent,
) -> list[tuple[Answer, Confidence]]:
    """A greedy answer to each question with its confidence, in the order of the questions.

    An estimator that reads the query from there on goes on from the answer's key-value cache, and
    costs a few decode steps (docs/cost.md). Where the model has no positions left for the query,
    the answer is cut, or has no confidence, as when it is scored.
    """
    n_query = len(Prompts.of(model, calibrated.estimator.asks).query)
    most = model.max_tokens or math.inf

    def work(
        asked: list[Question], made: Generation, answers: list[Answer]
    ) -> list[tuple[Answer, Confidence]]:
        items = [Answered(question=q, answer=a) for q, a in zip(asked, answers)]
        fits = all(question.format in calibrated.formats for question in asked)
        fits = fits and not any(question.shots for question in asked)  # confidences see no shots
        fits = fits and int(made.mask_BT.sum(1).max()) + 1 + n_query <= most
        scores = None
        with suppress(Mismatch):  # without a whole cache the text is read, which may be refused
            scores = calibrated.fitted.score_read(made.prefix(model), model) if fits else None
        if scores is None:
            return list(zip(answers, calibrated.confidences(items, model, say)))
        return list(zip(answers, calibrated.from_scores(items, range(len(items)), scores)))

    return generated(
        questions, model, work, max_new_tokens=max_new_tokens, say=say, whole_cache=True
    )


def ask(
    question: str, artefact: str | Path, *, choices: tuple[str, ...] = (), **options: Any
) -> dict[str, Any]:
    """Answer a question and tell the confidence of the answer.

    Raises
    ------
    InvalidData
        When the question is blank, or its choices are a single one, more than 26, or blank.
    Mismatch
        When the artefact gives this answer no confidence.
    """
    if choices and (len(choices) < 2 or not all(map(str.strip, choices))):
        raise InvalidData("choices are two or more, and none of them blank")
    calibrated, model = load_artefact(artefact, to_answer=True, **options)
    asked = Question(text=question, choices=choices)
    ((said, confidence),) = answer_with_confidence([asked], calibrated, local(model))
    if confidence.value is None:
        raise Mismatch(f"{artefact} gives this answer no confidence: {confidence.reason}")
    return {
        "question": question,
        "answer": said.text,
        "confidence": confidence.value,
        "score": confidence.score,
        "model": model.name.name,
        "estimator": confidence.estimator,
        "calibrator": confidence.calibrator,
    }


def push(
    folder: str | Path, name: str, *, private: bool = True, revision: str = "", say: Say = silent
) -> str:
    """Send an artefact to a hub, whole and in one commit; returns the commit's address.

    Parameters
    ----------
    name
        OWNER/NAME of a repository of models; it is made if it is not there, private unless told.
        What it held of another artefact is removed.
    revision
        A branch other than the main one; it must be there.

    Raises
    ------
    DamagedFile
        When the folder holds no artefact.
    InvalidData
        When the repository holds a model that is no artefact, and that would be removed.
    ModelUnavailable
        When the hub does not answer or refuses; its client looks for a log-in where it always does.
    """
    base = read_artefact(folder)["made_with"]["model"]["name"]
    if Path(base).is_absolute():
        say(f"artefact.json names the base model by its place here, {base}")
    with _hub(name, "whoami-v2") as api:
        api.create_repo(name, private=private, exist_ok=True)
        there = api.list_repo_files(name, revision=revision or None)
        lost = [file for file in there if file.endswith((".safetensors", "adapter_config.json"))]
        if lost and "artefact.json" not in there:
            raise InvalidData(
                f"{name} holds a model of its own, {lost[0]}: name another repository"
            )
        done = api.upload_folder(
            repo_id=name,
            folder_path=folder,
            revision=revision or None,
            commit_message="Artefact of Calibrant",
            allow_patterns=FILES,
            delete_patterns=FILES,
        )
    return str(done.commit_url)


def pull(name: str, folder: str | Path, *, revision: str = "") -> Path:
    """Fetch an artefact from a hub into a new folder, whole or not at all.

    Parameters
    ----------
    revision
        Branch, tag or commit; the main branch when empty. A commit pins it.

    Raises
    ------
    InvalidData
        When there is something in the folder.
    DamagedFile
        When the repository holds no artefact.
    ModelUnavailable
        When the hub does not answer or has no such repository.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidData(f"{folder} is not empty: give a new folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    hub = _hub(name, f"models/{name}")
    with tempfile.TemporaryDirectory(dir=folder.parent) as place, hub as api:
        here = Path(place) / "artefact"
        wanted = {"revision": revision or None, "allow_patterns": FILES}
        api.snapshot_download(name, local_dir=here, **wanted)
        shutil.rmtree(here / ".cache", ignore_errors=True)
        read_artefact(here)
        here.replace(folder)
    return folder


@contextmanager
def _hub(name: str, path: str) -> Iterator[Any]:
    """The hub's own client; what goes wrong with it is one line."""
    if not find_spec("huggingface_hub"):
        raise MissingExtra("a hub", "models")
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    if silent := why_silent(path, hidden=True):
        raise ModelUnavailable(f"{name} on the hub: {silent}")
    try:
        yield HfApi(library_name="calibrant")
    except (HfHubHTTPError, OSError, ValueError, RuntimeError) as error:
        raise ModelUnavailable(f"{name} on the hub: {error.__cause__ or error}") from error
