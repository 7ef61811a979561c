"""MultiRC (Khashabi et al. 2018), as SuperGLUE has it."""

from __future__ import annotations

from typing import ClassVar

from calibrant.questions.published import Ask, Published, Row, label_of


class Multirc(Published):
    """MultiRC: is a proposed answer to a question on a paragraph right?"""

    name: ClassVar = "multirc"
    hub: ClassVar = "aps/super_glue"
    config: ClassVar = "multirc"
    revision: ClassVar = "3de24cf8022e94f4ee4b9d55a6f539891524d646"
    schema: ClassVar = "dataset card: paragraph, question, answer, label (0, 1; -1 in test)"
    open_text: ClassVar = "{text} Answer Yes or No."
    part: ClassVar = "train"

    def ask(self, row: Row) -> Ask | None:
        """Each answer is a question of its own; a paragraph keeps them together."""
        label = label_of(row)
        if label is None:
            return None
        text = f"{row['question']}\nProposed answer: {row['answer']}\nIs this answer correct?"
        return Ask(text=text, context=row["paragraph"], choices=("No", "Yes"), right=label)
