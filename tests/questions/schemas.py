"""A row of the published schema of each set."""

from __future__ import annotations

import base64
import json
import pickle
import zlib
from typing import Any

from calibrant import registry
from calibrant.questions.published import Published

SOURCES = {
    name: source
    for name, source in registry.variants("questions").items()
    if issubclass(source, Published)
}
Row = dict[str, Any]


def labelled(texts: str, key: str) -> Row:
    return {"choices": {"text": texts.split(), "label": list("ABCDE")}, "answerKey": key}


NLI = {"premise": "A dog runs.", "hypothesis": "An animal moves."}
LEET = {"query": "Add.", "prompt": "import math", "entry_point": "add", "test": "def check(f): 1"}
CASES = json.dumps([{"input": "2\n[1, 2]", "output": "[3, 4]", "testtype": "functional"}])
PACKED = base64.b64encode(zlib.compress(pickle.dumps(CASES))).decode()
LIVE = {
    "question_content": "Add to each.",
    "platform": "leetcode",
    "difficulty": "easy",
    "starter_code": "class Solution:\n    def add(self, a: int, b: List[int]):\n        ",
    "public_test_cases": CASES,
    "private_test_cases": PACKED,
    "metadata": '{"func_name": "add"}',
}
# name -> (a row of the published schema, the right choice, targets when open, a row without label)
ROWS: dict[str, tuple[Row, str | None, tuple[str, ...], Row | None]] = {
    "arc_easy": (
        {"id": "1", "question": "Q?", "answerKey": "2"}
        | {"choices": {"text": ["x", "y"], "label": ["1", "2"]}},
        "y", ("y",), None,
    ),
    "arc_challenge": ({"question": "Q?", **labelled("x y z w", "C")}, "z", ("z",), None),
    "boolq": ({"question": "is it", "passage": "P.", "answer": True}, "True", ("True",), None),
    "commonsense_qa": (
        {"question": "Q?", "question_concept": "c", **labelled("v w x y z", "E")},
        "z", ("z",), {"question": "Q?", **labelled("v w x y z", "")},
    ),
    "cosmos_qa": (
        {"context": "C.", "question": "Q?", "label": 2} | {f"answer{i}": f"a{i}" for i in range(4)},
        "a2", ("a2",), {"label": -1},
    ),
    "hellaswag": (
        {"ctx": "He sits", "endings": ["a", "b", "c", "d"], "label": "3"},
        "d", (), {"ctx": "He", "endings": ["a"], "label": ""},
    ),
    "math_qa": (
        {"Problem": "1 + 1 ?", "options": "a ) 1 , b ) 2 , c ) 1 , 000 , d ) 3", "correct": "c"},
        "1 , 000", ("1 , 000",), None,
    ),
    "snli": ({**NLI, "label": 1}, "It's impossible to say", ("It's impossible to say",),
             {**NLI, "label": -1}),
    "anli_r1": ({**NLI, "label": 0, "reason": ""}, "Yes", ("Yes",), None),
    "anli_r2": ({**NLI, "label": 2, "reason": ""}, "No", ("No",), None),
    "anli_r3": ({**NLI, "label": 2, "reason": ""}, "No", ("No",), None),
    "cb": ({**NLI, "label": 1, "idx": 0}, "No", ("No",), {**NLI, "label": -1}),
    "openbookqa": ({"question_stem": "Q", **labelled("x y z w", "D")}, "w", ("w",), None),
    "piqa": ({"goal": "G", "sol1": "s", "sol2": "t", "label": 1}, "t", ("t",),
             {"goal": "G", "sol1": "s", "sol2": "t", "label": -1}),
    "sciq": (
        {"question": "Q?", "correct_answer": "r", "support": ""}
        | {f"distractor{i}": f"d{i}" for i in (1, 2, 3)},
        "r", ("r",), None,
    ),
    "multirc": ({"paragraph": "P.", "question": "Q?", "answer": "a", "label": 1},
                "Yes", ("Yes",), {"paragraph": "P.", "question": "Q?", "answer": "", "label": -1}),
    "copa": ({"premise": "It fell.", "question": "cause", "choice1": "x", "choice2": "y",
              "label": 0}, "x", ("x",), {"label": -1}),
    "trec": ({"text": "Who?", "coarse_label": 3, "fine_label": 5},
             "Human being", ("Human being",), None),
    "winogrande": (
        {"sentence": "A saw _ .", "option1": "B", "option2": "C", "answer": "2"},
        "C", ("C",), {"sentence": "_", "option1": "B", "option2": "C", "answer": ""},
    ),
    "social_i_qa": (
        {"context": "C.", "question": "Q?", "answerA": "a", "answerB": "b", "answerC": "c",
         "label": "2\n"}, "b", ("b",), None,
    ),
    "mmlu": ({"question": "Q?", "subject": "virology", "choices": ["a", "b", "c", "d"],
              "answer": 2}, "c", ("c",), None),
    "mmlu_pro": ({"question": "Q?", "options": ["a", "b"], "answer": "B", "answer_index": 1,
                  "category": "law"}, "b", ("b",), None),
    "selfaware": ({"question": "Q?", "answer": ["a"], "answerable": True}, None, ("a",), None),
    "truthfulqa": (
        {"question": "Q?", "category": "c", "best_answer": "b", "correct_answers": ["b", "c"],
         "incorrect_answers": ["x", "y"]}, "b", ("b", "c"), None,
    ),
    "gsm8k": ({"question": "Q?", "answer": "1+1=<<1+1=2>>2\n#### 1,002"}, None, ("1,002",),
              {"question": "Q?", "answer": "?"}),
    "nq_open": ({"question": "who", "answer": ["a", "b"]}, None, ("a", "b"), {"question": "x"}),
    "simpleqa": ({"metadata": "{'topic': 'Art', 'urls': []}", "problem": "Q?", "answer": "a"},
                 None, ("a",), None),
    "triviaqa": ({"question": "Q?", "answer": {"value": "a", "aliases": ["b", "a"]}},
                 None, ("a", "b"), {"question": "Q?", "answer": {"value": "", "aliases": []}}),
    "popqa": ({"question": "Q?", "possible_answers": '["a", "b"]', "prop": "capital"},
              None, ("a", "b"), None),
    "humaneval": ({"prompt": "def f():\n", "test": "def check(c): 1", "entry_point": "f"},
                  None, (), None),
    "mbpp": ({"text": "Write.", "test_list": ["assert f(1)\r\n"], "test_setup_code": ""},
             None, (), None),
    "leetcode": (LEET, None, (), None),
    "livecodebench": (LIVE, None, (), {**LIVE, "platform": "atcoder"}),
    "opentriviaqa": ({"block": "Q\nis it?\n^ b c\nA a\nB b\nc\n"}, "b c", ("b c",), None),
}  # fmt: skip
