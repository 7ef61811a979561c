"""A study's data for others: tidy Parquet and CSV, the items, and a codebook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from calibrant.errors import InvalidData
from calibrant.study.data import PARTICIPANTS, TRIALS, Row, tables
from calibrant.study.folder import Study, write_items
from calibrant.tables import write_table

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""A spreadsheet takes a text that starts so for a formula."""

ITEMS = {
    "id": "the question's number in the study",
    "question_id": "where it comes from: id of the run's question, or row of the table",
    "text": "the question",
    "context": "a passage that it is about; empty for none",
    "choices": "options; empty for questions that are answered in one's own words",
    "targets": "right answers",
    "prediction": "the model's answer",
    "model_correct": "whether it is right",
    "confidences": "the model's confidences in [0, 1] as pairs of name and value",
    "topic": "what batches are stratified by",
    "role": "ability, practice, or the number of the batch",
}
"""Columns of the items (Parquet only) -> meaning."""


def export(study: Study, folder: Path, *, with_ids: bool = False) -> dict[str, int]:
    """Write participants and trials (.parquet, .csv), items.parquet, design.json, codebook.md.

    Texts that a spreadsheet would compute get a leading apostrophe in CSV; Parquet has them as
    they were written.

    Parameters
    ----------
    with_ids
        Write the panel's ids and completion codes into a file of their own, ids.csv.

    Returns
    -------
    Rows of each table.

    Raises
    ------
    InvalidData
        When nobody has consented yet.
    """
    participants, trials = tables(study)
    if not participants:
        raise InvalidData(f"{study.folder}: there are no participants yet")
    folder.mkdir(parents=True, exist_ok=True)
    made = {"participants": (participants, PARTICIPANTS), "trials": (trials, TRIALS)}
    for name, (rows, columns) in made.items():
        write_table(folder / f"{name}.parquet", rows)
        _csv(folder / f"{name}.csv", rows, list(columns))
    write_items(folder / "items.parquet", study.items)
    (folder / "design.json").write_text(study.design.to_json(), "utf-8")
    text = codebook(
        {name: columns for name, (_, columns) in made.items()} | {"items": ITEMS}, study
    )
    (folder / "codebook.md").write_text(text, "utf-8")
    if with_ids:
        people = [person for person, _ in study.store.everything()]
        names = ("participant", *study.design.id_parameters, "completion_code")
        ids = [
            {"participant": p.id, **p.external, "completion_code": study.code(p.id)} for p in people
        ]
        _csv(folder / "ids.csv", ids, list(names))
    return {name: len(rows) for name, (rows, _) in made.items()}


def _csv(path: Path, rows: Sequence[Row], columns: Sequence[str]) -> None:
    safe = [{name: _safe(row.get(name)) for name in columns} for row in rows]
    if safe:
        write_table(path, safe)
    else:
        path.write_text(",".join(columns) + "\n", "utf-8")


def _safe(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def codebook(columns: Mapping[str, Mapping[str, str]], study: Study) -> str:
    """What every column means."""
    kind = " Participants are simulated." if study.store.simulated else ""
    lines = [
        f"# Codebook: {study.design.title}",
        "",
        f"Study {study.hash}.{kind} Arms: {', '.join(study.design.arm_names)}. The settings are in"
        " design.json, the questions in items.parquet.",
        "Empty means unknown or not asked, never zero. In CSV, texts that begin like a formula have"
        " an apostrophe before them.",
    ]
    for name, meanings in columns.items():
        lines += ["", f"## {name}", "", "| column | meaning |", "|---|---|"]
        lines += [f"| {column} | {meaning} |" for column, meaning in meanings.items()]
    return "\n".join(lines) + "\n"
