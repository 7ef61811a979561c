"""Games on random tokens that teach what choosing takes, before any fact.

To name the letter of an option is to find where a text stood before and to read what stood in
front of it. A small model learns that in steps and never in one: first to copy (Olsson et al. 2022,
"In-context learning and induction heads"), then to name the letter right after a token, then with
ever more between the two.
"""

from __future__ import annotations

import random

from transformers import PreTrainedTokenizerFast

from calibrant.records import LETTERS

Row = tuple[list[int], list[bool]]
FEW = 400
"""So many different tokens at the beginning: copying is found sooner among few."""


class Circuits:
    """Rows of random tokens: (ids, which of them are learned)."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, seed: int) -> None:
        self.rng = random.Random(f"circuits {seed}")
        self.end, self.user, self.assistant = tokenizer.convert_tokens_to_ids(
            ["<|end|>", "<|user|>", "<|assistant|>"]
        )
        ids = tokenizer([*LETTERS, ".", "\n"], add_special_tokens=False)["input_ids"]
        *self.letters, self.dot, self.line = (row[0] for row in ids)
        signs = {*self.letters, self.dot, self.line}
        self.words = [i for i in range(len(tokenizer)) if i > self.assistant and i not in signs]
        self.rng.shuffle(self.words)
        self.signs = sorted(signs)

    def some(self, most: int) -> list[int]:
        """None to `most` words."""
        return self.rng.choices(self.words, k=self.rng.randint(0, most))

    def copying(self, hard: float) -> Row:
        """Some tokens, three times over."""
        words = self.words if self.rng.random() < hard else self.words[:FEW]
        part = self.rng.choices([*words, *self.signs * 10], k=self.rng.randint(5, 20))
        return part * 3, [False] * len(part) + [True] * 2 * len(part)

    def naming(self, hard: float, talk: float) -> Row:
        """A list with letters, then options by chance, each with its letter.

        Parameters
        ----------
        hard
            Likelihood of each hardship: four options, all words, several a text, a line each, words
            around the list, words between text and letter, turns.
        talk
            Likelihood that the letter is the assistant's.
        """
        rng = self.rng

        def on() -> bool:
            return rng.random() < hard

        n = 4 if on() else rng.randint(2, 4)
        words = self.words if on() else self.words[:FEW]
        most = rng.randint(1, 3) if on() else 1
        texts = [
            [first, *rng.choices(words, k=rng.randint(1, most) - 1)]
            for first in rng.sample(words, n)
        ]
        row = [self.user, *self.some(12)] if on() else []
        ahead = rng.randrange(n) if rng.random() < 0.5 * hard else None
        if ahead is not None:
            row += texts[ahead] + self.some(round(4 * hard))
        lines = on()
        if lines and row:
            row.append(self.line)
        for letter, text in zip(self.letters, texts):
            row += [letter, self.dot, *text]
            row += [self.line] if lines or rng.random() < 0.5 else []
        row += self.some(round(6 * hard)) if on() else []
        learned = [False] * len(row)
        if ahead is not None:
            said = [self.assistant] * on() + [self.letters[ahead]]
            row += said
            learned += [False] * (len(said) - 1) + [True]
        for place in rng.choices(range(n), k=3 * n):
            said = texts[place] + (self.some(round(6 * hard)) if on() else [])
            said += [self.assistant] * (rng.random() < talk) + [self.letters[place]]
            row += said
            learned += [False] * (len(said) - 1) + [True]
            if on():
                row += [self.end, self.user]
                learned += [False, False]
        return row, learned
