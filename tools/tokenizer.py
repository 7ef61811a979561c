"""The embedded models' tokenizer and chat template."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ '<|end|>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
SPECIAL = ("<|pad|>", "<|end|>", "<|user|>", "<|assistant|>")


def make_tokenizer(texts: Iterable[str], pieces: str, vocabulary: int) -> PreTrainedTokenizerFast:
    """BPE with single digits, over bytes or over words with a mark for spaces."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=pieces == "words"))
    digits = pre_tokenizers.Split(Regex(r"\d"), "isolated")
    if pieces == "bytes":
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        whole = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, whole])
        special = SPECIAL
    else:
        alphabet = []
        # A line break stands alone, so that what follows it reads as at a text's beginning.
        parts = pre_tokenizers.Split(Regex(r"\u2581?[^\u2581\s\d.,?:()]+|.|\n"), "isolated")
        tokenizer.normalizer = normalizers.Replace(" ", "\u2581")
        tokenizer.pre_tokenizer = parts
        tokenizer.decoder = decoders.Sequence(
            [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()]
        )
        special = (*SPECIAL, *(f"<0x{i:02X}>" for i in range(256)))
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(special),
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
