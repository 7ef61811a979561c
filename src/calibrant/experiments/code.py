"""Table 3 of the paper: programs, graded by their tests."""

from __future__ import annotations

import ast
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import ClassVar

import numpy as np

from calibrant.answers.evidence import sequences
from calibrant.answers.prompts import Prompts
from calibrant.answers.sample import Sampling, kept_samples
from calibrant.answers.talk import talk_with
from calibrant.errors import InvalidData
from calibrant.estimators.text_embedding import TextEmbedding
from calibrant.estimators.tuned_encoder import TunedEncoder
from calibrant.experiments import arms
from calibrant.experiments.bench import Bench
from calibrant.experiments.compare import METRICS, Panel
from calibrant.experiments.drawing import bars
from calibrant.experiments.experiment import Claim, Experiment, Findings, Row
from calibrant.experiments.fitting import Fit, correct_of, forms, name_of
from calibrant.models.encoder import encoder_called
from calibrant.models.local import LocalModel
from calibrant.models.model import Given
from calibrant.questions.leetcode import Leetcode
from calibrant.records import Answer, Answered, Graded, ModelName, Question, Verdict, content_hash
from calibrant.tables import iterate_table

FILE = "LeetCodeDataset-v0.3.1-test.jsonl.gz"
N_PROBLEMS, N_MUTANTS, QUICK = 228, 2, 16
N_WRITTEN = 512
"""Tokens of a model's own program at most."""
HOW = "Answer with the program alone, in Python."
N_TOKENS, QUICK_TOKENS = 384, 64
"""Of problem and program together, the ends of both."""
CANDIDATES = ModelName(name="candidates")
SHARES = {"train": 0.5, "validation": 0.1, "calibration": 0.1}
NO_MODULE = "ModuleNotFoundError"
NO_WRITER = (
    "zero_shot and lora_prompt on a model's own programs: no embedded model writes code; name one"
    " that does (--model)"
)
TOO_FEW = "some part of them, to learn from or to judge, has no right one or no wrong one"
NAMES = tuple(name for name in METRICS if "subject" not in name)
ENCODED = ("text_embedding logistic", "tuned_encoder")
OWN = ("zero_shot", "lora_prompt", "base_rate")
"""What judges a model's own programs."""


@dataclass(frozen=True, kw_only=True)
class Code(Experiment):
    """The data set's own solutions and mutants of them, and programs of models that are named."""

    name: ClassVar = "code"
    place: ClassVar = 17
    uses_models: ClassVar = False
    asks_named: ClassVar = True
    data: ClassVar = (f"leetcode/{FILE}",)
    title: ClassVar = "Programs"
    counterpart: ClassVar = "Table 3 (LeetCode)"
    question: ClassVar = "Can it be told from a program's text whether it passes its tests?"
    claims: ClassVar = (
        Claim(
            name="tuned_encoder",
            text="tuned_encoder ranks programs to new problems better than chance (AUROC)",
        ),
        Claim(
            name="text_embedding",
            text="text_embedding (logistic) ranks them better than chance",
        ),
    )
    in_paper: ClassVar = "AUROC 70.2 to 85.1 (LoRA + Prompt on a model's own programs)"
    paper: ClassVar[tuple[Row, ...]] = tuple(
        {"model": model, "accuracy": accuracy}
        | {"zero-shot ECE": ece, "zero-shot AUROC": auroc}
        | {"LoRA + Prompt ECE": tuned_ece, "LoRA + Prompt AUROC": tuned_auroc}
        for model, accuracy, ece, auroc, tuned_ece, tuned_auroc in (
            ("Llama-2-7B", 3.2, 41.0, 56.9, 46.4, 80.0),
            ("Mistral-7B", 27.4, 70.2, 66.2, 21.4, 85.1),
            ("Mistral-Instruct", 21.0, 52.7, 47.1, 56.1, 70.2),
        )
    )
    may_be_untestable: ClassVar = True

    def run(self, bench: Bench) -> Findings:
        """Grade the candidates, then judge those of new problems."""
        not_run = [] if bench.model_names else [NO_WRITER]
        n_tokens = QUICK_TOKENS if bench.quick else N_TOKENS
        chosen = {
            "base_rate": forms("base_rate")[0],
            "answer_length": forms("answer_length")[0],
            "text_embedding logistic": TextEmbedding(head="logistic", max_tokens=n_tokens),
            "tuned_encoder": TunedEncoder(max_tokens=n_tokens, n_epochs=3.0, precision="bfloat16"),
        }
        for name in list(chosen):
            if why := arms.unavailable(chosen[name], bench):
                not_run.append(f"`{name}`: {why}")
                del chosen[name]
        items = graded(bench)
        verdicts = correct_of(items)
        panel = Panel(n_resamples=bench.n_resamples, by_subject=False)
        jobs, places = [], []
        for seed in bench.used_seeds:
            splits = split(items, seed)
            for name, form in chosen.items():
                fit = Fit(form, splits["train"], splits["validation"], Given("candidates"), seed)
                jobs.append((fit, splits["calibration"], splits["test"]))
                places.append((name, seed, splits["test"]))
        for (name, seed, test), p in zip(places, bench.confidences(jobs)):
            panel.add(name, "candidates", seed, test, p)
        pairs = {
            "tuned_encoder": ("tuned_encoder", "base_rate", "auroc"),
            "text_embedding": ("text_embedding logistic", "base_rate", "auroc"),
        }
        titles = {"AUROC": "auroc", "ECE": "ece"}
        own, told, cannot = _own(bench)
        return Findings(
            differences=arms.claimed(panel, pairs),
            tables={"programs": arms.rows(panel, NAMES), **own},
            figures={"programs": bars({t: arms.drawn(panel, m) for t, m in titles.items()})},
            notes=[
                f"{len({i.question.id for i in items})} problems, {len(items)} programs, a solution"
                f" of each and mutants of it:"
                f" {int(np.nansum(verdicts))} pass, {int((verdicts == 0).sum())} do not,"
                f" {int(np.isnan(verdicts).sum())} could not be graded. Problems are split, so"
                " that those of the test were never seen.",
                "The tuned encoder computes in bfloat16 where the processor knows it.",
                *_wanting(items),
                *(_alike(items, n_tokens) if not chosen.keys().isdisjoint(ENCODED) else ()),
                *told,
            ],
            not_run=[*not_run, *cannot],
        )


def _own(bench: Bench) -> tuple[dict[str, list[Row]], list[str], list[str]]:
    """Of each model that is named: a table on its own programs, what they are, why there is none.

    Platt-scaled, as everything else here.
    """
    tables: dict[str, list[Row]] = {}
    told, cannot = list[str](), list[str]()
    every = {name_of(form): form for form in forms(*OWN)} if bench.loaded else {}
    why = {name: arms.unavailable(form, bench) for name, form in every.items()}
    cannot += [f"`{name}` on a model's own programs: {why[name]}" for name in every if why[name]]
    can = [form for name, form in every.items() if not why[name]]
    for model in bench.loaded:
        name = model.name.name
        items = written(bench, model)
        if n_long := len(problems(bench)) - len(items):
            told.append(f"{name} has no room for {n_long} problems.")
        if not items:
            cannot.append(f"programs of {name}: it has room for no problem")
            continue
        n_right = int(np.nansum(correct_of(items)))
        n_wrong = int((correct_of(items) == 0).sum())
        n_cut = sum(item.answer.finish_reason == "length" for item in items)
        told.append(
            f"{name} wrote {len(items)} programs, of which {n_right} pass and {n_wrong} do not;"
            f" {n_cut} were cut at {N_WRITTEN} tokens or where it has no positions left."
        )
        told += _wanting(items, f" of {name}")
        parts = [split(items, seed) for seed in bench.used_seeds]
        needed = [part[key] for part in parts for key in (*SHARES, "test")]
        if not all({0.0, 1.0} <= set(correct_of(some)) for some in needed):
            cannot.append(f"{', '.join(map(name_of, can))} on the programs of {name}: {TOO_FEW}")
            continue
        panel = Panel(n_resamples=bench.n_resamples, by_subject=False)
        places = [(form, i) for form in can for i in range(len(parts))]
        jobs = [
            (
                Fit(form, parts[i]["train"], parts[i]["validation"], model, bench.used_seeds[i]),
                parts[i]["calibration"],
                parts[i]["test"],
            )
            for form, i in places
        ]
        for (form, i), p in zip(places, bench.confidences(jobs)):
            panel.add(name_of(form), name, bench.used_seeds[i], parts[i]["test"], p)
        tables[f"own_programs_of_{arms.as_file(name)}"] = arms.rows(panel, NAMES)
    return tables, told, cannot


def written(bench: Bench, model: LocalModel) -> list[Graded]:
    """A model's own program to each problem that it has room for, written and graded once."""
    rows, asked = zip(*problems(bench))
    questions = [replace(q, id="", text=f"{q.text}\n{HOW}") for q in asked]

    def write(part: Sequence[Question]) -> list[list[Answer]]:
        bench.say(f"{model.name.name} writes {len(part)} programs")
        talk = talk_with(model, N_WRITTEN, one_line=False, say=bench.say)
        made: list[list[Answer]] = []
        for i, text in enumerate(talk.ask(part, "")):
            answer = Answer(
                question_id=part[i].id, text=text, model=model.name,
                finish_reason="length" if i in talk.cut else "stop",
            )  # fmt: skip
            made.append([] if i in talk.failed else [answer])
        return made

    how = [asdict(model.name), Prompts.of(model).label, N_WRITTEN]
    key = content_hash(*how, *(q.id for q in questions))
    one = Sampling(n_samples=1)
    found = kept_samples(questions, bench.cache / f"programs-{key}", one, write)
    items = [Answered(question=q, answer=one) for q, some in zip(questions, found) for one in some]
    if not items:
        return []
    imports = {q.id: row["prompt"] for q, row in zip(questions, rows)}
    made = bench.graded(items, "code", content_hash([item.answer.id for item in items]))
    return [_here(item, imports[item.question.id]) for item in made]


def _here(item: Graded, imports: str) -> Graded:
    """What fails for want of a module of these is not graded: that tells of this machine."""
    reason = item.grade.reason
    if not reason.startswith(NO_MODULE) or reason.split("'")[1].split(".")[0] not in imports:
        return item
    return replace(item, grade=replace(item.grade, verdict=Verdict.UNGRADED))


def _wanting(items: Sequence[Graded], whose: str = "") -> list[str]:
    """The programs that need a module that is not here, and its name."""
    out = [item for item in items if not item.is_graded]
    found = Counter(i.grade.reason for i in out if i.grade.reason.startswith(NO_MODULE))
    return [f"{n} programs{whose} could not be graded: {reason}." for reason, n in found.items()]


def _alike(items: Sequence[Graded], n_tokens: int) -> list[str]:
    """How many programs an encoder cannot tell from another of the same problem."""
    rows = sequences(items, encoder_called(TextEmbedding().encoder), n_tokens)
    counts = Counter(map(tuple, rows))
    n = sum(counts[tuple(row)] > 1 for row in rows)
    return [f"Cut to {n_tokens} tokens, {n} of the {len(rows)} programs read like another one."]


def problems(bench: Bench) -> list[tuple[Row, Question]]:
    """The problems, as the data set has them and as questions."""
    place = bench.data_at("leetcode", FILE)
    rows = [row for _, row in iterate_table(place)][: QUICK if bench.quick else N_PROBLEMS]
    asked = [(row, Leetcode().ask(row)) for row in rows]
    return [
        (row, Question(text=ask.text, tests=ask.tests, targets=("passes",), subject="code"))
        for row, ask in asked
        if ask is not None
    ]


def graded(bench: Bench) -> list[Graded]:
    """Solutions and mutants with their verdicts, computed once.

    They are run after the imports that the problem gives, and shown without them.
    """
    shown, run = list[Answer](), list[Answered]()
    for row, question in problems(bench):
        # Written out the same way as its mutants, so that layout and comments tell nothing.
        texts = [ast.unparse(ast.parse(row["completion"])), *mutants(row["completion"])]
        for text in dict.fromkeys(texts):
            shown.append(Answer(question_id=question.id, text=text, model=CANDIDATES))
            whole = replace(shown[-1], id="", text=f"{row['prompt']}\n\n{text}")
            run.append(Answered(question=question, answer=whole))
    key = content_hash([item.answer.id for item in run])
    made = []
    for answer, item in zip(shown, bench.graded(run, "code", key), strict=True):
        grade = replace(item.grade, answer_id=answer.id)
        made.append(_here(replace(item, answer=answer, grade=grade), item.answer.text))
    return made


def mutants(text: str, n: int = N_MUTANTS) -> list[str]:
    """Programs that differ from this one in one place, as a slip would."""
    try:
        places = [node for node in ast.walk(ast.parse(text)) if isinstance(node, _KINDS)]
    except SyntaxError as error:
        raise InvalidData(f"a solution is no Python: {error}") from error
    rng = random.Random(content_hash("mutants", text))
    made = []
    for i in rng.sample(range(len(places)), len(places)):
        tree = ast.parse(text)
        node = [node for node in ast.walk(tree) if isinstance(node, _KINDS)][i]
        if _slip(node, rng):
            made.append(ast.unparse(tree))
        if len(made) == n:
            break
    return made


_KINDS = (ast.Compare, ast.BinOp, ast.Constant, ast.BoolOp, ast.Name)
_COMPARE = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq}
_BINARY = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.FloorDiv: ast.Mult}
_NAMES = {"min": "max", "max": "min"}


def _slip(node: ast.AST, rng: random.Random) -> bool:
    """Change a node in place; whether it could be."""
    if isinstance(node, ast.Compare) and type(node.ops[0]) in _COMPARE:
        node.ops[0] = _COMPARE[type(node.ops[0])]()
    elif isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        node.op = _BINARY[type(node.op)]()
    elif isinstance(node, ast.BoolOp):
        node.op = ast.And() if isinstance(node.op, ast.Or) else ast.Or()
    elif isinstance(node, ast.Constant) and type(node.value) is int:
        node.value += rng.choice((1, -1))
    elif isinstance(node, ast.Name) and node.id in _NAMES:
        node.id = _NAMES[node.id]
    else:
        return False
    return True


def split(items: list[Graded], seed: int) -> dict[str, list[Graded]]:
    """By problem."""

    def place(item: Graded) -> float:
        return int(content_hash("place", seed, item.question.group), 16) / 16**16

    def name(at: float) -> str:
        for part, upto in _edges():
            if at < upto:
                return part
        return "test"

    found: dict[str, list[Graded]] = {part: [] for part in (*SHARES, "test")}
    for item in items:
        found[name(place(item))].append(item)
    return found


def _edges() -> Iterator[tuple[str, float]]:
    edge = 0.0
    for part, share in SHARES.items():
        edge += share
        yield part, edge
