"""ARC, challenge set (Clark et al. 2018)."""

from __future__ import annotations

from typing import ClassVar

from calibrant.questions.arc_easy import ArcEasy


class ArcChallenge(ArcEasy):
    """ARC challenge: grade-school science that simple methods fail."""

    name: ClassVar = "arc_challenge"
    config: ClassVar = "ARC-Challenge"
