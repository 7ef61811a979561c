"""Make an embedded model: train a small Llama from scratch on the almanac's text.

    torchrun --nproc-per-node=2 tools/make_model.py almanac-small     into src/calibrant/models/
    python tools/make_model.py almanac-small --million-tokens 1 --out try
    python tools/make_model.py almanac-deep --device cuda

One process a core, or one for an accelerator. Shape suffixes: B batch, T tokens.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import torch
import torch.distributed as dist
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from accelerator import Batch, ahead
from calibrant.answers.generate import answer
from calibrant.answers.prompts import Prompts
from calibrant.models.local import LocalModel
from calibrant.records import Answer
from circuits import Circuits
from corpus import SENTENCES, SHORT, Corpus, Exposure, Mix, Turn, parted
from tokenizer import make_tokenizer
from training import least, rank, train, world

SHARPENING_RATE = 1e-3
CIRCUITS_RATE = 1.5e-3
STAGE = 50
"""Steps of one hardness."""
PROCESSES = 4
"""That make batches for an accelerator."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All that a model is made from."""

    width: int
    layers: int
    heads: int
    inner: int
    vocabulary: int
    pieces: str = "bytes"
    """Of the tokenizer: "bytes" (byte-level BPE) or "words" (BPE over a mark for spaces)."""
    styles: tuple[str, ...] = SHORT
    exposure: Exposure = field(default_factory=Exposure)
    mixes: tuple[tuple[float, Mix], ...] = (
        (0.0, Mix(open=0.84, choice=0.03, drill=0.03, quiz=0.0)),
        (0.33, Mix(open=0.35, choice=0.15, drill=0.40, quiz=0.02)),
        (0.45, Mix(open=0.64, choice=0.20, drill=0.05, quiz=0.02)),
    )
    """From which share of the training on which mix of conversations is used."""
    naming: float = 0.05
    """Games of naming letters, a conversation, so that it is not forgotten."""
    copying_steps: int = 1000
    """Before any fact: steps of copying, the last 150 with naming right after an option,"""
    naming_steps: int = 1800
    """then of naming letters, ever harder, from the middle on with drills on real options."""
    seed: int = 0
    million_tokens: float
    tokens_per_batch: int = 2048
    learning_rate: float = 2e-3
    base: str = ""
    """Made from this model, not from scratch."""
    sharpened: int = 0
    """Then trained on its own greedy answers to so many questions,"""
    sharpening_epochs: int = 5
    """for so many epochs."""
    sure: int = 0
    """After so many layers its state also learns to hold how likely its own answers were before
    that, by token and as wholes, so that sharpening takes less from it than from the likelihood.
    0: none."""
    early: int = 0
    """So many layers also learn to tell the next token, so that later ones, at later places, can
    read there how sure it was. 0: none but the last."""
    device: str = "cpu"
    """Where it was trained."""


SMALL = Recipe(width=144, layers=6, heads=6, inner=384, vocabulary=2944, million_tokens=22)
RECIPES = {
    "almanac-small": SMALL,
    "almanac-small-chat": replace(
        SMALL,
        styles=SENTENCES,
        mixes=((0.0, SMALL.mixes[-1][1]),),
        copying_steps=0,
        naming_steps=0,
        million_tokens=10,
        early=4,
        learning_rate=1e-3,
        base="almanac-small",
        sharpened=60_000,
        sharpening_epochs=4,
        sure=5,
    ),
    "almanac-mini": replace(
        SMALL,
        width=96,
        layers=4,
        heads=4,
        inner=256,
        styles=SENTENCES,
        million_tokens=24,
        sharpened=60_000,
        sharpening_epochs=2,
        sure=3,
    ),
    "almanac-deep": replace(
        SMALL,
        width=112,
        layers=8,
        heads=4,
        inner=288,
        vocabulary=2304,
        pieces="words",
        exposure=Exposure(family="deep"),
        million_tokens=40,
        seed=1,
    ),
}
OUT = Path(__file__).parents[1] / "src" / "calibrant" / "models" / "almanac"


Rows = list[tuple[Any, ...]]
"""Token ids, which of them are learned, and for own answers how likely: two numbers a token."""
UNTOLD = (-1.0, -1.0)
Batches = Iterator[Batch]
"""(ids (B, T), labels (B, T)): rows of like length, -100 where nothing is learned; for own answers
also how likely (B, T, 2), -1 where that is not told."""


def tokenizer_of(recipe: Recipe) -> PreTrainedTokenizerFast:
    """Trained on the corpus."""
    corpus = iter(
        Corpus(recipe.styles, 1000 * recipe.seed + 999, recipe.exposure, recipe.mixes[-1][1])
    )
    texts = (turn["content"] for _ in range(60_000) for turn in next(corpus))
    return make_tokenizer(texts, recipe.pieces, recipe.vocabulary)


def encode(conversations: list[list[Turn]], tokenizer: PreTrainedTokenizerFast) -> Rows:
    """(token ids, which of them are replies) of each conversation."""
    texts = [turn["content"] for turns in conversations for turn in turns]
    told = tokenizer.backend_tokenizer.encode_batch_fast(texts, add_special_tokens=False)
    ids = (one.ids for one in told)
    end, user, assistant = tokenizer.convert_tokens_to_ids(["<|end|>", "<|user|>", "<|assistant|>"])
    rows: Rows = []
    for turns in conversations:
        row: list[int] = []
        reply: list[bool] = []
        for turn in turns:
            said = next(ids)
            if turn["role"] != "user":
                row += [assistant, *said, end]
                reply += [False, *[turn["role"] == "assistant"] * (len(said) + 1)]
            else:
                row += [user, *said]
                reply += [False] * (len(said) + 1)
        rows.append((row, reply))
    return rows


def of_corpus(
    recipe: Recipe, tokenizer: PreTrainedTokenizerFast, part: int = 0, parts: int = 1
) -> Batches:
    """Endless conversations; one of so many parts that are drawn from in turn."""
    seed = 1000 * recipe.seed + rank() + part
    source = Corpus(recipe.styles, seed, recipe.exposure, recipe.mixes[0][1])
    corpus, rng, step = iter(source), random.Random(recipe.seed), 0
    games = Circuits(tokenizer, seed)
    while True:
        done = step * recipe.tokens_per_batch / (1e6 * recipe.million_tokens)
        source.mix = [mix for start, mix in recipe.mixes if done >= start][-1]
        rows = encode([next(corpus) for _ in range(4096)], tokenizer)
        rows += [games.naming(1.0, 0.9) for _ in range(round(4096 * recipe.naming))]
        made = shuffled(recipe, rows, rng)
        step += parts * len(made)
        yield from made


def of_circuits(recipe: Recipe, tokenizer: PreTrainedTokenizerFast) -> Batches:
    """Copying, then naming letters, ever harder, then drills on real options beside it."""
    seed = 1000 * recipe.seed + 1 + rank()
    games, rng, order = Circuits(tokenizer, seed), random.Random(seed), random.Random(recipe.seed)
    mix = Mix(open=0.0, choice=0.0, drill=1.0, quiz=0.0)
    drills = iter(Corpus(recipe.styles, 1000 * recipe.seed + rank(), recipe.exposure, mix))
    for start in range(0, recipe.copying_steps + recipe.naming_steps, STAGE):
        rows: Rows = []
        hard = max(0.0, min(1.0, (start - recipe.copying_steps) / (0.9 * recipe.naming_steps)))
        share = 0.4 * (hard > 0.55)
        plain = start < recipe.copying_steps
        while sum(len(row) for row, _ in rows) < STAGE * recipe.tokens_per_batch // world():
            kind = rng.random()
            if plain and start < recipe.copying_steps - 3 * STAGE:
                rows.append(games.copying(0.0))
            elif kind < share:
                rows += encode([next(drills)], tokenizer)
            elif kind < share + 0.12:
                rows.append(games.copying(hard))
            else:
                easier = hard * (rng.random() if rng.random() < 0.25 else 1.0)
                rows.append(games.naming(easier, 0.0 if plain else 0.5 + 0.4 * easier))
        yield from shuffled(recipe, rows, order)[:STAGE]


def of_own_answers(recipe: Recipe, folder: Path) -> list[Batch]:
    """Batches of questions, each with the model's own greedy answer and how likely that is."""
    model = LocalModel(str(folder))
    source = Corpus(
        recipe.styles, 1000 * recipe.seed + 500 + rank(), recipe.exposure, recipe.mixes[0][1]
    )
    questions = [source.any_question() for _ in range(recipe.sharpened // world())]
    asked = Prompts(model.tokenizer)
    rows: Rows = []
    for question, said in zip(questions, answer(questions, model)):
        before, reply = asked.question(question), list(said.token_ids)
        told = likely(said, recipe, model.tokenizer)
        if question.choices:
            reply.append(model.tokenizer.eos_token_id)  # asked for one token, it ended there
            told.append(told[-1])
        learned = [False] * len(before) + [True] * len(reply)
        rows.append((before + reply, learned, [UNTOLD] * (len(before) - 1) + told))
    return shuffled(recipe, rows, random.Random(recipe.seed))


def likely(
    said: Answer, recipe: Recipe, tokenizer: PreTrainedTokenizerFast
) -> list[tuple[float, float]]:
    """From the last token before an answer on: how likely the next one was, and at the end all.

    Of the answer proper only; which of the styles it comes in tells nothing.
    """
    before, _ = parted(said.text, recipe.styles)
    n_before = len(tokenizer(before.rstrip(), add_special_tokens=False)["input_ids"])
    proper = said.log_probs[n_before:]
    told = [UNTOLD] * n_before + [(math.exp(log_prob), -1.0) for log_prob in proper]
    return [*told, (-1.0, math.exp(sum(proper)))]


def ready(recipe: Recipe, part: Callable[[int, int], Batches], n: int) -> Batches:
    """Batches as they are wanted on a CPU, made ahead by some processes for an accelerator."""
    return part(0, 1) if recipe.device == "cpu" else ahead(part, n)


def shuffled(recipe: Recipe, rows: Rows, rng: random.Random) -> list[Batch]:
    """Batches in an order that is the same in all processes, whose steps so are of like length."""
    made = padded(recipe, rows)
    made = made[: least(len(made))]
    rng.shuffle(made)
    return made


def padded(recipe: Recipe, rows: Rows) -> list[Batch]:
    """Rows of like length together; for an accelerator in few shapes."""
    rows = sorted(rows, key=lambda row: len(row[0]))
    made = []
    while rows:
        width = len(rows[-1][0])
        if recipe.device != "cpu":
            grid = 8 if width <= 64 else 32
            width = math.ceil(width / grid) * grid
        n = max(1, recipe.tokens_per_batch // world() // width)
        part, rows = rows[-n:], rows[:-n]
        ids = torch.zeros(len(part) if recipe.device == "cpu" else n, width, dtype=torch.long)
        labels = torch.full(ids.shape, -100)
        sures = [torch.full((*ids.shape, 2), -1.0)] if len(part[0]) > 2 else []
        for i, (row, reply, *sure) in enumerate(part):
            ids[i, : len(row)] = torch.tensor(row)
            labels[i, : len(row)] = torch.where(torch.tensor(reply), torch.tensor(row), -100)
            for place, told in zip(sures, sure):
                place[i, : len(row)] = torch.tensor(told)
        made.append((ids, labels, *sures))
    return made


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write a model with its tokenizer, in bfloat16."""
    if rank() == 0:
        copy = deepcopy(model).to(torch.bfloat16)
        copy.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def new_model(recipe: Recipe, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """Random weights."""
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=recipe.width,
        intermediate_size=recipe.inner,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.heads,
        max_position_embeddings=512,
        initializer_range=0.02,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config)


def main() -> None:
    """Make the model that is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=sorted(RECIPES))
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--million-tokens", type=float)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--checkpoints", type=int, default=0, help="also write NAME-1, NAME-2, ...")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # sharp attention is full of them, and they are slow
    if "WORLD_SIZE" in os.environ:
        dist.init_process_group("gloo")
    recipe = replace(RECIPES[arguments.name], device=arguments.device)
    if arguments.million_tokens:
        recipe = replace(recipe, million_tokens=arguments.million_tokens)
    torch.manual_seed(recipe.seed)
    folder = arguments.out / arguments.name
    folder.mkdir(parents=True, exist_ok=True)
    make(recipe, folder, arguments.checkpoints)
    if dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()


def make(recipe: Recipe, folder: Path, checkpoints: int) -> None:
    """Train a model and write it with its recipe."""
    log = folder.with_suffix(".log")

    def say(line: str) -> None:
        if rank() == 0:
            print(line, flush=True)
            with open(log, "a") as file:
                file.write(line + "\n")

    saved = 0

    def keep(share: float) -> None:
        nonlocal saved
        if share * (checkpoints + 1) >= saved + 1 and share < 1:
            saved += 1
            save(model, tokenizer, folder.with_name(f"{folder.name}-{saved}"))

    if recipe.base:
        base = folder.with_name(recipe.base)
        tokenizer = PreTrainedTokenizerFast.from_pretrained(base)
        model = LlamaForCausalLM.from_pretrained(base, dtype=torch.float32)
    else:
        tokenizer = tokenizer_of(recipe)
        model = new_model(recipe, tokenizer)
    model.to(recipe.device)
    say(f"{model.num_parameters():,} parameters")
    if n_steps := recipe.copying_steps + recipe.naming_steps:
        games = ready(recipe, lambda part, parts: of_circuits(recipe, tokenizer), 1)
        train(model, games, n_steps, CIRCUITS_RATE, say, even=True)
    n_steps = round(1e6 * recipe.million_tokens / recipe.tokens_per_batch)
    texts = ready(recipe, partial(of_corpus, recipe, tokenizer), PROCESSES)
    train(model, texts, n_steps, recipe.learning_rate, say, keep, early=recipe.early)
    save(model, tokenizer, folder)
    if recipe.sharpened:
        if world() > 1:
            dist.barrier()
        own = of_own_answers(recipe, folder)
        epochs = recipe.sharpening_epochs
        n_steps = epochs * len(own)
        train(
            model, iter(own * epochs), n_steps, SHARPENING_RATE, say,
            early=recipe.early, sure=recipe.sure,
        )  # fmt: skip
        save(model, tokenizer, folder)
    if rank() == 0:
        (folder / "recipe.json").write_text(json.dumps(asdict(recipe), indent=1) + "\n")


if __name__ == "__main__":
    main()
