"""The whole method in one file and no abstractions, for reading.

    python examples/flat_loop.py almanac-small

A language model answers questions, its answers are graded, a low-rank adapter is tuned so that the
model tells right answers from wrong ones (LoRA + Prompt, Kapoor et al. 2024), and a line through
the scores turns them into probabilities. The package does the same with `LoraPrompt`; a test shows
that the losses are the same. Shape suffixes: B batch, T tokens, V vocabulary.
"""

import math
import os
import sys

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from peft import LoraConfig, get_peft_model
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, roc_auc_score
from torch.nn import functional as F
from transformers import AutoModelForCausalLM, AutoTokenizer

from calibrant import by_split, load_questions
from calibrant.models.local import locate

QUERY = "Is the proposed answer correct?\nChoices:\n(i): no\n(ii): yes\nAnswer:"


def load(name):
    """The base model, frozen, and its tokenizer."""
    place = locate(name)
    model = AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32).eval()
    return model.requires_grad_(False), AutoTokenizer.from_pretrained(place)


def question_ids(tokenizer, question):
    """Token ids that ask an open question."""
    turn = [{"role": "user", "content": f"{question}\nAnswer briefly."}]
    text = tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def query_ids(tokenizer):
    """Token ids from the end of an answer to the place where its verdict is read."""
    turns = [
        {"role": "user", "content": "?"},
        {"role": "assistant", "content": "@@"},
        {"role": "user", "content": QUERY},
    ]
    text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    return tokenizer(text.split("@@")[1], add_special_tokens=False)["input_ids"]


def pad_left(rows, pad):
    """Rows of token ids as (ids (B, T), mask (B, T)); they end together."""
    width = max(map(len, rows))
    ids = torch.tensor([[pad] * (width - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
    return ids, mask


def logits(model, rows, pad, keep):
    """Logits (B, keep, V) at the last places of each row."""
    ids_BT, mask_BT = pad_left(rows, pad)
    places_BT = (mask_BT.cumsum(-1) - 1).clamp(min=0)
    return model(
        input_ids=ids_BT, attention_mask=mask_BT, position_ids=places_BT, logits_to_keep=keep
    ).logits.float()


@torch.no_grad()
def greedy_answer(model, tokenizer, ids, max_new_tokens=30):
    """Token ids of the answer, without the end marker."""
    new = []
    for _ in range(max_new_tokens):
        token = model(input_ids=torch.tensor([ids + new]), logits_to_keep=1).logits[0, -1].argmax()
        if token == tokenizer.eos_token_id or "\n" in tokenizer.decode([token.item()]):
            break
        new.append(token.item())
    return new


def grade(text, targets):
    """Exact match; lead-ins such as "The answer is" are taken off."""
    for lead in ("The answer is ", "It is "):
        text = text.removeprefix(lead)
    return text.strip().rstrip(".").casefold() in {target.casefold() for target in targets}


def cross_entropy(model, rows, correct, options, pad):
    """Two-token cross-entropy at the query's end, summed."""
    two = logits(model, rows, pad, 1)[:, -1, options]
    return F.cross_entropy(two, correct.long(), reduction="sum")


def divergence(model, prompts, references, pad):
    """Jensen-Shannon divergence from the untuned model on the references' tokens, summed."""
    width = max(map(len, references))
    rows = [prompt + reference for prompt, reference in zip(prompts, references)]
    with torch.no_grad(), model.disable_adapter():
        p = logits(model, rows, pad, width + 1)[:, :-1].log_softmax(-1)
    q = logits(model, rows, pad, width + 1)[:, :-1].log_softmax(-1)
    m = torch.logaddexp(p, q) - math.log(2)
    each_BT = 0.5 * (p.exp() * (p - m) + q.exp() * (q - m)).sum(-1)
    lengths_B = torch.tensor([len(reference) for reference in references])
    counted_BT = torch.arange(width, 0, -1)[None] <= lengths_B[:, None]
    return each_BT[counted_BT].sum()


def tune(
    model, prompts, rows, references, correct, options, pad, *, seed, n_epochs, rate, dropout=0.1
):
    """LoRA + Prompt with kappa = 1; returns the tuned model and the loss of every step."""
    torch.manual_seed(seed)
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=8,
        lora_alpha=32,
        lora_dropout=dropout,
        target_modules=["q_proj", "v_proj"],
    )
    model = get_peft_model(model, config)
    model.eval()
    for name, module in model.named_modules():
        if "lora_dropout" in name:
            module.train()
    weights = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=rate, weight_decay=0.01)
    per_epoch = math.ceil(len(rows) / 16)
    n_steps, losses = n_epochs * per_epoch, []
    warmup = 0.1 * n_steps
    torch.manual_seed(seed)
    for step in range(n_steps):
        epoch, place = divmod(step, per_epoch)
        order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed + epoch))
        batch = order[16 * place : 16 * (place + 1)].tolist()
        cosine = 0.5 * (1 + math.cos(math.pi * (step - warmup) / (n_steps - warmup)))
        optimizer.param_groups[0]["lr"] = rate * (
            (step + 1) / (warmup + 1) if step < warmup else cosine
        )
        batch.sort(key=lambda i: -len(rows[i]))
        loss = cross_entropy(model, [rows[i] for i in batch], correct[batch], options, pad)
        (loss / len(batch)).backward()
        total = loss.item()
        batch.sort(key=lambda i: -len(prompts[i] + references[i]))
        some = [prompts[i] for i in batch], [references[i] for i in batch]
        loss = divergence(model, *some, pad)
        (loss / len(batch)).backward()
        losses.append((total + loss.item()) / len(batch))
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        optimizer.zero_grad()
    return model.eval(), losses


def main():
    """Answer, grade, tune, calibrate, measure."""
    model, tokenizer = load(sys.argv[1] if len(sys.argv) > 1 else "almanac-small")
    pad, query = tokenizer.pad_token_id, query_ids(tokenizer)
    options = tokenizer.convert_tokens_to_ids(["i", "ii"])
    splits = by_split([q for q in load_questions("almanac") if not q.choices and q.answerable])
    data = {}
    for split, n in (("train", 600), ("calibration", 300), ("test", 300)):
        prompts, rows, references, correct = [], [], [], []
        some = splits[split]
        if split == "test":
            some = [question for question in some if question.source.split == "mixture"]
        for question in some[:: max(1, len(some) // n)][:n]:
            ids = question_ids(tokenizer, question.text)
            said = greedy_answer(model, tokenizer, ids)
            prompts.append(ids)
            rows.append(ids + said + query)
            references.append(tokenizer(question.targets[0], add_special_tokens=False)["input_ids"])
            correct.append(grade(tokenizer.decode(said), question.targets))
        data[split] = prompts, rows, references, torch.tensor(correct)
        print(f"{split}: {len(rows)} answers, {100 * data[split][3].float().mean():.0f} % right")
    rate = 1e-4 * (4096 / model.config.hidden_size) ** (2 / 3)
    tuned, losses = tune(model, *data["train"], options, pad, seed=0, n_epochs=3, rate=rate)
    print(f"loss {losses[0]:.3f} -> {losses[-1]:.3f}")
    scores = {}
    for split in ("calibration", "test"):
        with torch.no_grad():
            two = torch.cat(
                [logits(tuned, [row], pad, 1)[:, -1, options] for row in data[split][1]]
            )
        scores[split] = (two[:, 1] - two[:, 0])[:, None].numpy()
    platt = LogisticRegression(C=1e6).fit(scores["calibration"], data["calibration"][3])
    confidence, correct = platt.predict_proba(scores["test"])[:, 1], data["test"][3].numpy()
    print(f"AUROC {roc_auc_score(correct, confidence):.3f}", end=", ")
    print(f"Brier score {brier_score_loss(correct, confidence):.3f}")


if __name__ == "__main__":
    main()
