"""The only place that builds text for a model, for asking and for the confidence query.

A question becomes token ids; the query's ids are appended to the very ids that were generated.
Text is tokenised only for the answers of another model.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

from calibrant.errors import Mismatch
from calibrant.models.local import LocalModel
from calibrant.models.model import Model
from calibrant.records import LETTERS, Answered, Question, Shot, content_hash

VERSION = "1"
QUERY = "Is the proposed answer correct?\nChoices:\n(i): no\n(ii): yes\nAnswer:"
"""A protocol constant: published adapters expect it (Kapoor et al. 2024)."""
SHORT_QUERY = "Is it correct?"
"""Of adapters that are tuned to answer it: its few tokens cost little after an answer."""
ALIKE = "Do both answers say the same?\nChoices:\n(i): no\n(ii): yes\nAnswer:"
"""Ends where the query ends, so the same options answer it."""
PROBABILITY = "How likely is it that the proposed answer is correct? Answer with a per cent."
"""Asks for a confidence in words; the embedded models know this very text."""
OPTION_PAIRS = (("i", "ii"), ("no", "yes"), ("No", "Yes"), ("0", "1"), ("A", "B"))
"""(incorrect, correct): the first pair that is one token each serves; (i, ii) is the paper's."""
WITH_LETTER = "Answer with the letter."
N_ADDED = 8
"""Tokens that a tokenizer may put around a text, at most."""
_MARK = "\u2047MARK\u2047"
_DAY = "{%- macro strftime_now(format) -%}26 Jul 2024{%- endmacro +%}"
"""Put before a chat template that tells the date: the prompt is the same every day."""


def probability(words: Sequence[str] = ()) -> str:
    """Asks how likely an answer that was given is right: in per cent, or by one of the words."""
    if not words:
        return PROBABILITY
    return f"{PROBABILITY.split('?')[0]}? Answer with one of: {', '.join(words)}."


def guesses(n: int, words: Sequence[str] = (), *, likely: bool = True) -> str:
    """Asks for `n` guesses in place of an answer, each with how likely it is right if `likely`."""
    many = "your best guess" if n == 1 else f"your {n} best guesses, the likeliest first"
    lines = f"Give {many}, {'in' if n == 1 else 'each in'} a line of its own"
    if not likely:
        return f"{lines}, and nothing else."
    scale = f"one of: {', '.join(words)}" if words else "the per cent"
    return (
        f"{lines} in the form GUESS | LIKELY, where LIKELY tells how likely it is that the guess"
        f" is correct, as {scale}. Nothing else."
    )


def probabilities(n: int, words: Sequence[str] = ()) -> str:
    """Asks how likely each of `n` guesses that were given is right."""
    scale = f"one of: {', '.join(words)}" if words else "a per cent"
    return (
        f"How likely is it that each of the {n} guesses is correct? Answer with {n} lines, in the"
        f" order of the guesses, each with {scale}."
    )


def content(question: Question | Shot, how: str = "") -> str:
    """What the user says: context, question, options, and how to answer (the usual way if "")."""
    lines = [question.context] if question.context else []
    lines.append(question.text)
    if question.choices:
        lines.append("Choices:")
        lines += [f"{letter}. {text}" for letter, text in zip(LETTERS, question.choices)]
    usual = WITH_LETTER if question.choices else "Answer briefly."
    lines.append(how or usual)
    return "\n".join(lines)


def _turns(shots: Sequence[Shot]) -> list[dict[str, str]]:
    """Each shot as a user's question and the reply."""
    said = ((("user", content(shot)), ("assistant", shot.reply)) for shot in shots)
    return [{"role": role, "content": text} for pair in said for role, text in pair]


def messages(question: Question) -> list[dict[str, str]]:
    """What is said to ask a question of a model behind an endpoint, its shots first."""
    return [*_turns(question.shots), {"role": "user", "content": content(question)}]


def evidence(item: Answered, *, tell_model: bool = False) -> tuple[str, str, str]:
    """What a text encoder is shown of an answer: opening, question with choice, and reasoning.

    Parameters
    ----------
    tell_model
        Whether the opening names the model that answered.
    """
    question, said = item.question, item.answer
    opening = [f"{said.model.name}."] if tell_model else []
    opening += [f"{name}." for name in (question.category or question.subject,) if name]
    lines = [question.context] if question.context else []
    lines.append(question.text)
    if question.choices:
        letter = said.extracted
        known = len(letter) == 1 and letter in LETTERS[: len(question.choices)]
        chosen = question.choices[LETTERS.index(letter)] if known else "none"
        lines.append(f"Chosen: {chosen}")
    return " ".join(opening), "\n".join(lines), said.text


@dataclass(frozen=True)
class Prompts:
    """Builds the token ids for one tokenizer.

    With a chat template the question is a user's turn and the query a second one; without it the
    text is `Question: ...\\nAnswer: ...` followed by the query after an empty line.
    """

    tokenizer: Any
    """A transformers tokenizer."""
    asks: str = QUERY
    """Text of the query."""

    @staticmethod
    def of(model: LocalModel, asks: str = QUERY) -> Prompts:
        """Of a model's tokenizer, whose tokens do not change; what was worked out is kept."""
        template = getattr(model.tokenizer, "chat_template", None)  # a dict where it has several
        return _kept(model.tokenizer, json.dumps(template, sort_keys=True), asks)

    @cached_property
    def _frame(self) -> tuple[str, str, str]:
        """Text before the question, between question and answer, and from answer to options."""
        return self._framed(self.asks)

    def _framed(self, request: str) -> tuple[str, str, str]:
        """The same where a request follows the answer; the last text goes up to the reply."""
        if not getattr(self.tokenizer, "chat_template", None):
            end = "" if request.endswith(":") else "\nAnswer:"
            return "Question: ", "\nAnswer:", f"\n\n{request}{end}"
        turns = [
            {"role": "user", "content": _MARK},
            {"role": "assistant", "content": _MARK},
            {"role": "user", "content": request},
        ]
        before, between, after = self._said(turns).split(_MARK)
        # Some templates open a reply with more than they keep of it later: asking decides.
        return before, self._said(turns[:1]).split(_MARK)[1] or between, after

    def _said(self, turns: list[dict[str, str]]) -> str:
        """Turns, up to the reply, as the chat template writes them."""
        template = self.tokenizer.get_chat_template()
        return str(
            self.tokenizer.apply_chat_template(
                turns,
                chat_template=_DAY + template if "strftime_now" in template else None,
                tokenize=False,
                add_generation_prompt=True,
            )
        )

    @property
    def _is_chat(self) -> bool:
        return bool(getattr(self.tokenizer, "chat_template", None))

    def _ids(self, text: str) -> list[int]:
        """Token ids of a text that opens a sequence; a template brings its own first token."""
        return list(self.tokenizer(text, add_special_tokens=not self._is_chat)["input_ids"])

    def _continue(self, before: str, text: str) -> list[int]:
        """Token ids of `text` as it stands after `before`."""
        head, whole = self._ids(before), self._ids(before + text)
        if whole[: len(head)] == head and len(whole) > len(head):
            return whole[len(head) :]
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def question(self, question: Question, how: str = "") -> list[int]:
        """Token ids that ask a question, its shots first; `how` as in `content`, without shots."""
        opening, between = self._opening(() if how else question.shots), self._frame[1]
        return self._ids(opening + content(question, how) + between)

    def _opening(self, shots: Sequence[Shot]) -> str:
        """Text before a question: each shot as it would be asked and answered."""
        before, between, _ = self._frame
        if not shots:
            return before
        if not self._is_chat:
            shown = (f"{before}{content(shot)}{between} {shot.reply}\n\n" for shot in shots)
            return "".join(shown) + before
        said = [*_turns(shots), {"role": "user", "content": _MARK}]
        return self._said(said).split(_MARK)[0]

    def answer(self, question: Question, text: str) -> list[int]:
        """Token ids of an answer given as text."""
        if not text:
            return []
        before, between, _ = self._frame
        return self._continue(
            before + content(question) + between, text if self._is_chat else " " + text.lstrip()
        )

    def _posed(self, text: str) -> list[int]:
        """Token ids of a request of one turn that ends as the query does."""
        before, between, _ = self._frame
        return self._ids(before + text + between if self._is_chat else text)

    def posed(self, text: str) -> list[int]:
        """Token ids of a request of one turn, up to the reply."""
        before, between, _ = self._frame
        return self._ids(before + text + between)

    def alike(self, question: Question, one: str, other: str) -> list[int]:
        """Token ids that ask whether two answers to a question say the same."""
        lines = [content(question), f"First answer: {one}", f"Second answer: {other}", ALIKE]
        return self._posed("\n".join(lines))

    def with_samples(self, item: Answered, samples: Sequence[str]) -> list[int]:
        """Token ids that show other answers first and then put the query (Kadavath et al. 2022)."""
        lines = [content(item.question), "Here are some possible answers:", *samples]
        return self._posed("\n".join([*lines, f"Proposed answer: {item.answer.text}", QUERY]))

    @cached_property
    def query(self) -> tuple[int, ...]:
        """Token ids from the end of an answer to the place of the verdict."""
        return self.request(self.asks)

    def request(self, request: str) -> tuple[int, ...]:
        """Token ids from the end of an answer to the reply to a request that follows it."""
        after = self._framed(request)[2]
        # The anchor is what a text may end in; the ids must not depend on it.
        for anchor in ("x", "0", "."):
            head, whole = self._ids(anchor), self._ids(anchor + after)
            if whole[: len(head)] == head:
                return tuple(whole[len(head) :])
        return tuple(self.tokenizer(after, add_special_tokens=False)["input_ids"])

    @cached_property
    def options(self) -> tuple[int, int]:
        """Token ids of (incorrect, correct): the natural continuation of the paper's query.

        They answer the short query, too: what the model knows of them serves.
        """
        return self._option_pair[1]

    @cached_property
    def _option_pair(self) -> tuple[tuple[str, str], tuple[int, int]]:
        for pair in OPTION_PAIRS:
            no, yes = (self._single(self._frame[2], word) for word in pair)
            if no is not None and yes is not None and no != yes:
                return pair, (no, yes)
        raise Mismatch("this tokenizer has no pair of options that are one token each")

    def letters(self, question: Question) -> list[int]:
        """Token ids of the option letters: the natural beginning of a reply."""
        found = self._letters[: len(question.choices)]
        if None in found:
            raise Mismatch("this tokenizer parts an option's letter into several tokens")
        return [i for i in found if i is not None]

    @cached_property
    def _letters(self) -> list[int | None]:
        return [self._single(self._frame[1], letter) for letter in LETTERS]

    def _single(self, before: str, word: str) -> int | None:
        ids = self._continue(before, word if self._is_chat else f" {word}")
        return ids[0] if len(ids) == 1 else None

    def asked(
        self, item: Answered, model: LocalModel, request: str = ""
    ) -> tuple[list[int], list[int], list[int]]:
        """(question, answer, query): the one sequence that confidences are learned and read from.

        Shots are not in it: the query is zero-shot, after the very tokens that were generated.
        The answer is the generated tokens without the end marker when `model` generated it,
        otherwise its text. One that the model has no room for is cut at its front.
        """
        answer, name = item.answer, model.name
        own = (answer.model.name, answer.model.revision) == (name.name, name.revision)
        if own and answer.token_ids:
            n = len(answer.token_ids) - (answer.finish_reason == "stop")
            ids = list(answer.token_ids[:n])
        else:
            ids = self.answer(item.question, answer.text)
        after = self.request(request) if request else self.query
        question = self.question(replace(item.question, shots=()))
        if model.max_tokens:
            ids = ids[max(0, len(question) + len(ids) + len(after) - model.max_tokens) :]
        return question, ids, list(after)

    def all_asked(
        self, items: Sequence[Answered], model: LocalModel, request: str = ""
    ) -> list[tuple[list[int], list[int], list[int]]]:
        """`asked` of each item.

        Raises
        ------
        Mismatch
            When a question leaves no room for the request.
        """
        parts = [self.asked(item, model, request) for item in items]
        check_room([item.question for item in items], [sum(map(len, p)) for p in parts], model)
        return parts

    def without_room(self, items: Sequence[Answered], model: LocalModel) -> dict[int, str]:
        """Index of an item whose question leaves no room for the query -> that it is so."""
        found, most = {}, model.max_tokens
        before, between, _ = self._frame
        about = len((before + between).encode()) + len(self.query) + N_ADDED
        for i, item in enumerate(items if most else ()):
            if most and 2 * len(content(item.question).encode()) + about <= most:
                continue  # a token has a byte at least, and normalising hardly doubles a text
            n = len(self.question(replace(item.question, shots=()))) + len(self.query)
            if most and n > most:
                found[i] = (
                    f"the question is too long: with the query it takes {n} tokens, and"
                    f" {model.name.name} has {most} positions"
                )
        return found

    @property
    def record(self) -> dict[str, Any]:
        """All that the text depends on, for artefacts and answers."""
        return {
            "version": VERSION,
            "frame": list(self._frame),
            "query_ids": list(self.query),
            "options": list(self._option_pair[0]),
            "option_ids": list(self.options),
        }

    @cached_property
    def label(self) -> str:
        """Name, version and hash."""
        return f"brief/{VERSION}/{content_hash(self.record)}"

    def label_of(self, question: Question) -> str:
        """The label, with the number of shots and their hash where the question has some."""
        if not question.shots:
            return self.label
        shown = content_hash(self._opening(question.shots))
        return f"{self.label}/{len(question.shots)}-shot/{shown}"


@lru_cache(maxsize=8)
def _kept(tokenizer: Any, template: str, asks: str) -> Prompts:
    return Prompts(tokenizer, asks)


def check_room(questions: Sequence[Question], sizes: Sequence[int], model: LocalModel) -> None:
    """Refuse questions with more tokens than the model has positions for.

    Raises
    ------
    Mismatch
        Telling how many there are, and the first.
    """
    most = model.max_tokens
    if most and (long := [i for i, size in enumerate(sizes) if size > most]):
        raise Mismatch(
            f"{len(long)} of {len(sizes)} questions are too long for {model.name.name}, which has"
            f" {most} positions; the first takes {sizes[long[0]]}:"
            f" {questions[long[0]].text[:60]!r}"
        )


def text_record(model: Model, asks: str = QUERY) -> dict[str, Any] | None:
    """All that the text for a model depends on; None where no text is built for it."""
    return Prompts.of(model, asks).record if isinstance(model, LocalModel) else None


def decode(tokenizer: Any, ids: Sequence[int], *, one_line: bool = False) -> str:
    """Text of generated tokens, or that before the first line break."""
    text = str(tokenizer.decode(list(ids), skip_special_tokens=True))
    return (text.partition("\n")[0] if one_line else text).strip()
