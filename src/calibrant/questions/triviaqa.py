"""TriviaQA (Joshi et al. 2017)."""

from __future__ import annotations

from typing import ClassVar

from calibrant.questions.published import Ask, Published, Row


class Triviaqa(Published):
    """TriviaQA: what trivia enthusiasts ask, without the documents."""

    name: ClassVar = "triviaqa"
    hub: ClassVar = "mandarjoshi/trivia_qa"
    config: ClassVar = "rc.nocontext"
    revision: ClassVar = "0f7faf33a3908546c6fd5b73a660e0f8ff173c2f"
    formats: ClassVar = ("open",)
    schema: ClassVar = "dataset card: question, answer {value, aliases, ...} (empty in test)"
    part: ClassVar = "validation"

    def ask(self, row: Row) -> Ask | None:
        """The value first, then its aliases."""
        answer = row["answer"]
        targets = tuple(dict.fromkeys([answer["value"], *answer["aliases"]]))
        return Ask(text=row["question"], targets=targets) if answer["aliases"] else None
