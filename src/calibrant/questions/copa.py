"""COPA (Roemmele et al. 2011), as SuperGLUE has it."""

from __future__ import annotations

from typing import ClassVar

from calibrant.questions.published import Ask, Published, Row, label_of


class Copa(Published):
    """COPA: the likelier cause or effect of two."""

    name: ClassVar = "copa"
    hub: ClassVar = "aps/super_glue"
    config: ClassVar = "copa"
    revision: ClassVar = "3de24cf8022e94f4ee4b9d55a6f539891524d646"
    schema: ClassVar = "dataset card: premise, question (cause/effect), choice1, choice2, label"
    open_text: ClassVar = "{text} Either: {choices}"
    part: ClassVar = "train"

    def ask(self, row: Row) -> Ask | None:
        """-1 is no label."""
        label = label_of(row)
        if label is None:
            return None
        what = {"cause": "What was the cause?", "effect": "What happened as a result?"}
        text = f"{row['premise']} {what[row['question']]}"
        return Ask(text=text, choices=(row["choice1"], row["choice2"]), right=label)
