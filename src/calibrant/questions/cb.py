"""CommitmentBank (de Marneffe et al. 2019), as SuperGLUE has it."""

from __future__ import annotations

from typing import ClassVar

from calibrant.questions.snli import Snli


class Cb(Snli):
    """CommitmentBank: does an author hold a clause to be true?"""

    name: ClassVar = "cb"
    hub: ClassVar = "aps/super_glue"
    config: ClassVar = "cb"
    revision: ClassVar = "3de24cf8022e94f4ee4b9d55a6f539891524d646"
    schema: ClassVar = (
        "dataset card: premise, hypothesis, label (0 entailment, 1 contradiction, 2 neutral)"
    )
    answers: ClassVar = ("Yes", "No", "It's impossible to say")
