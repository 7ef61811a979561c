"""SocialIQA (Sap et al. 2019)."""

from __future__ import annotations

from typing import ClassVar

from calibrant.questions.published import Ask, Published, Row


class SocialIQa(Published):
    """SocialIQA: why people do what they do, and what comes of it."""

    name: ClassVar = "social_i_qa"
    hub: ClassVar = "allenai/social_i_qa"
    revision: ClassVar = "537a2ec8ec565adc0b70b70752893e59e024df26"
    converted: ClassVar = True
    schema: ClassVar = "dataset card: context, question, answerA..C, label (1-3 as text)"
    part: ClassVar = "train"

    def ask(self, row: Row) -> Ask | None:
        """Three answers, counted from 1."""
        return Ask(
            text=row["question"],
            context=row["context"],
            choices=(row["answerA"], row["answerB"], row["answerC"]),
            right=("1", "2", "3").index(str(row["label"]).strip()),
        )
