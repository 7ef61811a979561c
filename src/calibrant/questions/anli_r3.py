"""ANLI, round 3 (Nie et al. 2020)."""

from __future__ import annotations

from typing import ClassVar

from calibrant.questions.snli import Snli


class AnliR3(Snli):
    """ANLI, round 3: entailment, written against models of its time."""

    name: ClassVar = "anli_r3"
    hub: ClassVar = "facebook/anli"
    config: ClassVar = "plain_text"
    revision: ClassVar = "8e4813d81f46d313dac7892e1c28076917cfcdf9"
    schema: ClassVar = "dataset card: as SNLI, splits train_r1 to test_r3"
    part: ClassVar = "train_r3"
