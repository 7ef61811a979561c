"""MMLU (Hendrycks et al. 2021)."""

from __future__ import annotations

from typing import ClassVar

from calibrant.questions.published import Ask, Published, Row

SUBJECTS = {
    "STEM": (
        "abstract_algebra anatomy astronomy college_biology college_chemistry"
        " college_computer_science college_mathematics college_physics computer_security"
        " conceptual_physics electrical_engineering elementary_mathematics high_school_biology"
        " high_school_chemistry high_school_computer_science high_school_mathematics"
        " high_school_physics high_school_statistics machine_learning"
    ),
    "humanities": (
        "formal_logic high_school_european_history high_school_us_history"
        " high_school_world_history international_law jurisprudence logical_fallacies"
        " moral_disputes moral_scenarios philosophy prehistory professional_law world_religions"
    ),
    "social sciences": (
        "econometrics high_school_geography high_school_government_and_politics"
        " high_school_macroeconomics high_school_microeconomics high_school_psychology"
        " human_sexuality professional_psychology public_relations security_studies sociology"
        " us_foreign_policy"
    ),
    "other": (
        "business_ethics clinical_knowledge college_medicine global_facts human_aging management"
        " marketing medical_genetics miscellaneous nutrition professional_accounting"
        " professional_medicine virology"
    ),
}
"""Category -> its subjects, as the paper's code has them (19, 13, 12 and 13)."""
CATEGORY = {subject: name for name, subjects in SUBJECTS.items() for subject in subjects.split()}


class Mmlu(Published):
    """MMLU: 57 subjects from elementary to professional."""

    name: ClassVar = "mmlu"
    hub: ClassVar = "cais/mmlu"
    config: ClassVar = "all"
    revision: ClassVar = "c30699e8356da336a370243923dbaf21066bb9fe"
    shots_from: ClassVar = "dev"
    schema: ClassVar = "dataset card: question, subject, choices (4), answer (0-3)"
    files: ClassVar = ("{split}/*_{split}.csv", "mmlu/{split}/*_{split}.csv")

    def ask(self, row: Row) -> Ask | None:
        """In a CSV for each subject the options have a column each."""
        subject = row.get("subject") or row["_file"].removesuffix(f"_{self.wanted}.csv")
        return Ask(
            text=row["question"],
            choices=tuple(row.get("choices") or [row[f"choice{i}"] or "" for i in range(4)]),
            right=int(row["answer"]),
            subject=subject,
            category=CATEGORY[subject],
        )
