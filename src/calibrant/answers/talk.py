"""Talking with a model about answers, one conversation an answer: on this machine or remote."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from calibrant.answers.generate import ends, greedy, limits_of
from calibrant.answers.prompts import Prompts, content, decode
from calibrant.errors import MissingCapability, ModelUnavailable
from calibrant.models.local import LocalModel
from calibrant.models.model import Model
from calibrant.models.remote import Chat, Messages, RemoteModel, run_async, side_by_side
from calibrant.records import Answered, Question

N_IN_FLIGHT = 16
SHORT = 16
"""Tokens after which replies that go on are read again, those of all batches together: a step for
one of them costs nearly what it costs for many."""


class Talk(ABC):
    """Greedy replies, in the order of the conversations."""

    def __init__(self) -> None:
        self.failed: dict[int, str] = {}
        """Conversation that failed -> why; its reply is empty, and nothing more is asked in it."""
        self.cut: set[int] = set()
        """Conversations whose last reply met its limit before its end."""

    @abstractmethod
    def about(self, items: Sequence[Answered], request: str) -> list[str]:
        """The replies to a request that follows question and answer."""

    @abstractmethod
    def ask(self, questions: Sequence[Question], how: str) -> list[str]:
        """The replies to questions that are to be answered in some way."""

    @abstractmethod
    def follow(self, request: str) -> list[str]:
        """The replies to a request that follows those of `ask`."""


class _Local(Talk):
    """On token ids: a request is appended to the very tokens that were generated."""

    def __init__(
        self, model: LocalModel, n_new: int, one_line: bool, say: Callable[[str], None]
    ) -> None:
        super().__init__()
        self.model, self.n_new, self.one_line, self.say = model, n_new, one_line, say
        self.prompts = Prompts.of(model)
        self.rows: list[list[int]] = []

    def about(self, items: Sequence[Answered], request: str) -> list[str]:
        asked = [self.prompts.asked(item, self.model, request) for item in items]
        return self._replies([sum(parts, []) for parts in asked])

    def ask(self, questions: Sequence[Question], how: str) -> list[str]:
        return self._replies([self.prompts.question(question, how) for question in questions])

    def follow(self, request: str) -> list[str]:
        after = list(self.prompts.request(request))
        return self._replies([row + after for row in self.rows])

    def _replies(self, rows: list[list[int]]) -> list[str]:
        most = self.model.max_tokens
        for i, row in enumerate(rows):
            if most and len(row) > most:
                name = self.model.name.name
                why = f"the request takes {len(row)} tokens, and {name} has {most} positions"
                self.failed.setdefault(i, why)
        kept = [i for i in range(len(rows)) if i not in self.failed]
        found: list[list[int]] = [[] for _ in rows]
        for i, ids in zip(kept, self._generated([rows[i] for i in kept])):
            found[i] = ids
        self.cut = {i for i in kept if not ends(self.model, found[i][-1], self.one_line)}
        end_ids = self.model.end_ids  # the end marker comes with the next request
        bare = [ids[:-1] if ids and ids[-1] in end_ids else ids for ids in found]
        self.rows = [row + ids for row, ids in zip(rows, bare)]
        return [decode(self.model.tokenizer, ids) for ids in bare]

    def _generated(self, rows: list[list[int]]) -> list[list[int]]:
        found = self._up_to(rows, min(SHORT, self.n_new))
        long = [
            i
            for i, (ids, limit) in enumerate(zip(found, limits_of(self.model, rows, self.n_new)))
            if len(ids) == SHORT < limit and not ends(self.model, ids[-1], self.one_line)
        ]
        more = self._up_to([rows[i] + found[i] for i in long], self.n_new - SHORT)
        for i, ids in zip(long, more):
            found[i] = found[i] + ids
        return found

    def _up_to(self, rows: list[list[int]], n_new: int) -> list[list[int]]:
        def work(batch: list[int]) -> list[list[int]]:
            chosen = [rows[i] for i in batch]
            return greedy(self.model, chosen, n_new, one_line=self.one_line).ids

        return self.model.batched(rows, work, n_new, self.say)


class _Remote(Talk):
    """On messages, many conversations at once."""

    def __init__(self, model: Chat, n_new: int) -> None:
        super().__init__()
        self.model, self.n_new = model, n_new
        self.turns: list[Messages] = []

    def about(self, items: Sequence[Answered], request: str) -> list[str]:
        return self._replies(
            [_turns(content(item.question), item.answer.text, request) for item in items]
        )

    def ask(self, questions: Sequence[Question], how: str) -> list[str]:
        return self._replies([_turns(content(question, how)) for question in questions])

    def follow(self, request: str) -> list[str]:
        return self._replies([[*turns, *_turns(request)] for turns in self.turns])

    def _replies(self, conversations: Sequence[Messages]) -> list[str]:
        found = [""] * len(conversations)
        self.cut = set()

        async def one(i: int) -> None:
            try:
                reply = await self.model.chat(conversations[i], max_new_tokens=self.n_new)
                found[i] = reply.text
                self.cut |= {i} if reply.finish_reason == "length" else set()
            except ModelUnavailable as error:
                self.failed[i] = str(error)

        async def all_of_them() -> None:
            jobs = (one(i) for i in range(len(found)) if i not in self.failed)
            if isinstance(self.model, RemoteModel):
                async with self.model:
                    await side_by_side(jobs, self.model.n_in_flight)
            else:
                await side_by_side(jobs, N_IN_FLIGHT)

        run_async(all_of_them())
        if found and len(self.failed) == len(found):
            raise ModelUnavailable(f"all {len(found)} requests failed, the first: {self.failed[0]}")
        self.turns = [
            [*turns, {"role": "assistant", "content": text}]
            for turns, text in zip(conversations, found)
        ]
        return found


def _turns(*texts: str) -> list[dict[str, str]]:
    """User and assistant by turns."""
    return [
        {"role": "assistant" if i % 2 else "user", "content": text} for i, text in enumerate(texts)
    ]


def talk_with(
    model: Model, n_new: int, *, one_line: bool = True, say: Callable[[str], None]
) -> Talk:
    """A talk with a model, about one list of answers.

    Parameters
    ----------
    n_new
        Tokens of a reply at most.
    one_line
        Whether a local model's reply ends at its first line break.

    Raises
    ------
    MissingCapability
        When there is no way to talk with it.
    """
    if isinstance(model, LocalModel):
        return _Local(model, n_new, one_line, say)
    if hasattr(model, "chat"):
        return _Remote(model, n_new)
    raise MissingCapability(f"{model.name.name} is not here to talk with")
