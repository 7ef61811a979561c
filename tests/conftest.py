"""Tiny random models of four architectures, with tokenizers of both kinds."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers.processors import TemplateProcessing
from transformers import (
    BertConfig,
    BertModel,
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    OPTConfig,
    OPTForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from calibrant.answers.prompts import QUERY
from calibrant.models.local import LocalModel

torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """README's stages first: begun last, they would keep one process alone for minutes."""
    items.sort(key=lambda item: "test_readme" not in item.nodeid)


TEXT = [
    QUERY,
    "Question: What is the capital of France?\nAnswer: Paris",
    "Choices:\nA. one\nB. two\nC. three\nD. four\nAnswer with the letter.",
    "Answer briefly. The answer is 12. It is Monday. i ii no yes",
] * 8
TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}"
    "{% if m['role'] == 'assistant' %}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
ARCHITECTURES = ("llama", "qwen", "mistral", "gpt_neox")


def byte_level(chat: bool) -> PreTrainedTokenizerFast:
    """Byte-level BPE, as GPT-2, Qwen and Llama 3 have."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|end|>", "<|user|>", "<|assistant|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=special,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|end|>",
        additional_special_tokens=special[1:],
        chat_template=TEMPLATE if chat else None,
    )


def sentencepiece_like() -> PreTrainedTokenizerFast:
    """BPE over U+2581 with byte fallback and a first token, as Llama 2 and Mistral have."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("\u2581", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    special = ["<unk>", "<s>", "</s>", *(f"<0x{i:02X}>" for i in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=480, special_tokens=special, show_progress=False)
    words = [word for text in TEXT for word in text.replace("\n", " ").split(" ")]
    tokenizer.train_from_iterator(words + list("ABCD") * 20 + ["i", "ii"] * 20, trainer)
    tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )


def make(architecture: str, folder: Path) -> str:
    """Write a tiny random model and return its folder."""
    torch.manual_seed(0)
    chat = architecture in ("qwen", "gpt_neox")
    tokenizer = byte_level(chat) if architecture in ("qwen", "gpt_neox") else sentencepiece_like()
    shape = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 1024 if chat else 256,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "initializer_range": 0.2,
    }
    grouped = {**shape, "num_key_value_heads": 2}
    model = {
        "llama": lambda: LlamaForCausalLM(LlamaConfig(**grouped)),
        "qwen": lambda: Qwen2ForCausalLM(Qwen2Config(**grouped)),
        "mistral": lambda: MistralForCausalLM(MistralConfig(**grouped, sliding_window=64)),
        "opt": lambda: OPTForCausalLM(
            OPTConfig(
                **{k: v for k, v in shape.items() if k != "intermediate_size"},
                ffn_dim=48,
                word_embed_proj_dim=32,
                init_std=0.2,
            )
        ),
        "gpt2": lambda: GPT2LMHeadModel(
            GPT2Config(
                vocab_size=len(tokenizer),
                n_embd=32,
                n_layer=2,
                n_head=4,
                n_positions=64,
                initializer_range=0.2,
            )
        ),
        "gpt_neox": lambda: GPTNeoXForCausalLM(GPTNeoXConfig(**shape)),
    }[architecture]()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def make_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Writes a tiny random model of an architecture and returns its folder."""
    return lambda name: make(name, tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def model_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Architecture -> folder of a tiny random model."""
    root = tmp_path_factory.mktemp("models")
    return {name: make(name, root / name) for name in ARCHITECTURES}


@pytest.fixture(scope="session", params=ARCHITECTURES)
def tiny(request: pytest.FixtureRequest, model_folders: dict[str, str]) -> LocalModel:
    """A tiny random model of each architecture."""
    return LocalModel(model_folders[request.param])


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Folder of a tiny random text encoder."""
    folder = tmp_path_factory.mktemp("encoder")
    torch.manual_seed(0)
    tokenizer = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    words = [*TEXT, "What is of one two three s c . ? Chosen : none model a b"]
    words += [f"{i}" for i in range(60)]
    trainer = trainers.WordLevelTrainer(special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(words, trainer)
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)
    config = BertConfig(
        vocab_size=len(fast),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    fast.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def llama(model_folders: dict[str, str]) -> LocalModel:
    """A tiny random Llama."""
    return LocalModel(model_folders["llama"])


@pytest.fixture(scope="session")
def own_questions(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file of questions: what a random model says is right now and then."""
    path = tmp_path_factory.mktemp("questions") / "q.jsonl"
    targets = ["two", "one", "Paris", "", "Pa", "three", "12", "i", "ii", "no", "yes"]
    rows = [
        {"question": f"What is {i}?", "targets": [*targets, str(i)], "subject": f"s{i % 4}"}
        for i in range(300)
    ] + [
        {
            "question": f"Which is {i}?",
            "target": "one" if i % 2 else "two",
            "choices": ["one", "two", "three"],
            "subject": f"s{i % 4}",
        }
        for i in range(300)
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)
