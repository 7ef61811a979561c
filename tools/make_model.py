"""Make an embedded model: train a small Llama from scratch on the almanac's text.

    torchrun --nproc-per-node=2 tools/make_model.py almanac-small     into src/calibrant/models/
    python tools/make_model.py almanac-small --million-tokens 1 --out try

One process a core. Shape suffixes: B batch, T tokens, N answer tokens.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import time
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import torch
import torch.distributed as dist
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.nn import functional as F
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from corpus import SHORT, Corpus, Exposure, Mix, Turn

TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ '<|end|>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
SPECIAL = ("<|pad|>", "<|end|>", "<|user|>", "<|assistant|>")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All that a model is made from."""

    width: int
    layers: int
    heads: int
    inner: int
    vocabulary: int
    styles: tuple[str, ...] = SHORT
    exposure: Exposure = field(default_factory=Exposure)
    mixes: tuple[tuple[float, Mix], ...] = (
        (0.0, Mix(open=0.74, choice=0.2, pick=0.0)),
        (0.445, Mix(open=0.66, choice=0.2, pick=0.08)),
    )
    """From which share of the training on which mix of conversations is used."""
    seed: int = 0
    million_tokens: float
    tokens_per_batch: int = 2048
    learning_rate: float = 3e-3

    def share(self, step: int) -> float:
        """How much of the training is done before a step."""
        return step * self.tokens_per_batch / (1e6 * self.million_tokens)


RECIPES = {
    "almanac-small": Recipe(
        width=128, layers=5, heads=4, inner=384, vocabulary=1280, million_tokens=18
    ),
}
OUT = Path(__file__).parents[1] / "src" / "calibrant" / "models" / "almanac"


def rank() -> int:
    """Number of this process."""
    return dist.get_rank() if dist.is_initialized() else 0


def world() -> int:
    """Number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def average_gradients(model: torch.nn.Module) -> None:
    """The mean over all processes, in one message."""
    if world() > 1:
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        parts = (flat / world()).split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts):
            gradient.copy_(part.view_as(gradient))


def make_tokenizer(recipe: Recipe) -> PreTrainedTokenizerFast:
    """Byte-level BPE with single digits, trained on the corpus."""
    corpus = iter(
        Corpus(recipe.styles, 1000 * recipe.seed + 999, recipe.exposure, recipe.mixes[0][1])
    )
    texts = (turn["content"] for _ in range(60_000) for turn in next(corpus))
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\d"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=recipe.vocabulary,
        special_tokens=list(SPECIAL),
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<|pad|>",
        eos_token="<|end|>",
        additional_special_tokens=list(SPECIAL[2:]),
        chat_template=TEMPLATE,
        clean_up_tokenization_spaces=False,
    )


def encode(
    conversations: list[list[Turn]], tokenizer: PreTrainedTokenizerFast
) -> list[tuple[list[int], list[bool]]]:
    """(token ids, which of them are replies) of each conversation."""
    texts = [turn["content"] for turns in conversations for turn in turns]
    ids = iter(tokenizer(texts, add_special_tokens=False)["input_ids"])
    end, user, assistant = tokenizer.convert_tokens_to_ids(["<|end|>", "<|user|>", "<|assistant|>"])
    rows = []
    for turns in conversations:
        row: list[int] = []
        reply: list[bool] = []
        for turn in turns:
            said = next(ids)
            if turn["role"] == "assistant":
                row += [assistant, *said, end]
                reply += [False, *[True] * (len(said) + 1)]
            else:
                row += [user, *said]
                reply += [False] * (len(said) + 1)
        rows.append((row, reply))
    return rows


def batches(
    recipe: Recipe, tokenizer: PreTrainedTokenizerFast, first: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Endless (ids (B, T), labels (B, T)); rows of like length, -100 where nothing is learned."""
    seed = 1000 * recipe.seed + 10 * first + rank()
    source = Corpus(recipe.styles, seed, recipe.exposure, recipe.mixes[0][1])
    corpus, rng, step = iter(source), random.Random(recipe.seed), first
    while True:
        source.mix = [mix for start, mix in recipe.mixes if recipe.share(step) >= start][-1]
        rows = sorted(
            encode([next(corpus) for _ in range(4096)], tokenizer), key=lambda row: len(row[0])
        )
        made = []
        while rows:
            width = len(rows[-1][0])
            n = max(1, recipe.tokens_per_batch // world() // width)
            part, rows = rows[-n:], rows[:-n]
            ids = [row + [0] * (width - len(row)) for row, _ in part]
            labels = [
                [i if learn else -100 for i, learn in zip(row, reply)] + [-100] * (width - len(row))
                for row, reply in part
            ]
            made.append((torch.tensor(ids), torch.tensor(labels)))
        rng.shuffle(made)
        step += len(made)
        yield from made


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write a model with its tokenizer, in bfloat16."""
    if rank() == 0:
        copy = deepcopy(model).to(torch.bfloat16)
        copy.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def train(
    recipe: Recipe,
    tokenizer: PreTrainedTokenizerFast,
    folder: Path,
    checkpoints: int,
    resume: tuple[Path, float] | None,
) -> LlamaForCausalLM:
    """Train on so many tokens (padding included), or from a checkpoint at a share of them on."""
    log = folder.with_suffix(".log")
    torch.manual_seed(recipe.seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=recipe.width,
        intermediate_size=recipe.inner,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.heads,
        max_position_embeddings=512,
        initializer_range=0.06,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = LlamaForCausalLM(config)
    first = 0
    if resume:
        model = LlamaForCausalLM.from_pretrained(resume[0], dtype=torch.float32)
        first = round(resume[1] / recipe.share(1))
    print(f"{model.num_parameters():,} parameters", flush=True)
    decay = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim == 1]
    groups = [{"params": decay, "weight_decay": 0.05}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.98), fused=True)
    start, said, mean, n_saved = time.monotonic(), 0.0, 0.0, int(recipe.share(first) * checkpoints)
    for step, (ids_BT, labels_BT) in enumerate(batches(recipe, tokenizer, first), first):
        share = recipe.share(step)
        if share >= 1:
            break
        rate = min(1.0, (step - first + 1) / 200) * (
            0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * share))
        )
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * rate
        hidden_BTD = model.model(input_ids=ids_BT).last_hidden_state[:, :-1]
        learned_BT = labels_BT[:, 1:] != -100
        logits_NV = model.lm_head(hidden_BTD[learned_BT])
        loss = F.cross_entropy(logits_NV.float(), labels_BT[:, 1:][learned_BT])
        loss.backward()
        average_gradients(model)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        mean += 0.01 * (loss.item() - mean)
        if share * (checkpoints + 1) > n_saved + 1:
            n_saved += 1
            save(model, tokenizer, folder.with_name(f"{folder.name}-{n_saved}"))
        if rank() == 0 and time.monotonic() - said > 15:
            said = time.monotonic()
            seconds = said - start
            line = f"{100 * share:5.1f} %  step {step}  loss {mean:.3f}  {seconds:.0f} s"
            print(line, flush=True)
            with open(log, "a") as file:
                file.write(line + "\n")
    return model


def main() -> None:
    """Make the model that is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=sorted(RECIPES))
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--million-tokens", type=float)
    parser.add_argument("--resume", type=Path, help="a checkpoint to go on from")
    parser.add_argument("--share", type=float, default=0.0, help="how far that one is, in [0, 1]")
    parser.add_argument("--checkpoints", type=int, default=0, help="also write NAME-1, NAME-2, ...")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if "WORLD_SIZE" in os.environ:
        dist.init_process_group("gloo")
    recipe = RECIPES[arguments.name]
    if arguments.million_tokens:
        recipe = replace(recipe, million_tokens=arguments.million_tokens)
    folder = arguments.out / arguments.name
    folder.mkdir(parents=True, exist_ok=True)
    resume = (arguments.resume, arguments.share) if arguments.resume else None
    tokenizer = (
        PreTrainedTokenizerFast.from_pretrained(resume[0]) if resume else make_tokenizer(recipe)
    )
    model = train(recipe, tokenizer, folder, arguments.checkpoints, resume)
    save(model, tokenizer, folder)
    if rank() == 0:
        (folder / "recipe.json").write_text(json.dumps(asdict(recipe), indent=1) + "\n")
    if dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
