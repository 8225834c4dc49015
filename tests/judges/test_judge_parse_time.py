"""Replies are read in linear time: four times the text takes about four times as
long, whatever it repeats.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from handpicked.endpoint.reading import read_completion, said_in
from handpicked.endpoint.template import fence, fields, fill
from handpicked.judges import load_judge
from handpicked.judges.parse import read_grade, read_scores, read_verdict
from handpicked.scorers.lm.rating import read_rating
from handpicked.statistics.styles import STYLES

VERDICT, GRADE = load_judge("verdict"), load_judge("grade")
PARSERS: dict[str, Callable[[str], object]] = {
    "scores": read_scores,
    "verdict": lambda text: read_verdict(text, VERDICT),
    "grade": lambda text: read_grade(text, GRADE),
    "rating": lambda text: read_rating(text, "accuracy"),
    "fence": fence,
    "fields": fields,
    "fill": lambda text: fill(text, {"a": "b"}),
    "words of an error": lambda text: said_in(text.encode()),
    "a completion": lambda text: _completion(text),
    **{f"style {name}": pattern.findall for name, pattern in STYLES.items()},
}
REPEATED = (
    *(
        "9",
        " ",
        "\n",
        "9 ",
        "9.",
        "8/",
        "8/10 ",
        "1 out of ",
        "-",
        "and ",
        "1 and ",
        "answer  ",
        "assistant #",
    ),
    *(
        "*",
        "_ * ",
        "#",
        "Verdict: ",
        "Verdict: first.",
        "Rating: 5 ",
        "</think>",
        "<think>",
        "1½",
        "- ",
        "**a",
    ),
    *("=", "{a", "{a}", "[[", "\u0661", "\u2028", "(", "'"),
    *(
        '{"a": ',
        '{"a": 1, ',
        '"a": 1, ',
        "{'a': ",
        "// ",
        "/* ",
        ", }",
        "Assistant 1: 8 ",
        "助手1:",
        "A: 8, ",
        "<|channel|>a",
        "\\boxed{",
    ),
)
AROUND = ("{}", "1{}x", "Verdict: first{}x", "Rating: 5{}x", "1 {} 2")
SMALL, FOUR_TIMES = 8_000, 32_000
FLOOR_S = 0.004
"""Shorter times are not told apart from the clock's own noise."""


def _completion(text: str) -> object:
    import json

    return read_completion(json.dumps({"choices": [{"message": {"content": [{"text": text}]}}]}))


def seconds(read: Callable[[str], object], text: str, enough: float = 0.0) -> float:
    """Processor time, the least of three, or the first that is short ``enough``."""
    times: list[float] = []
    while len(times) < 3 and min(times, default=1.0) > enough:
        started = time.process_time()
        read(text)
        times.append(time.process_time() - started)
    return min(times)


@pytest.mark.parametrize("name", PARSERS)
def test_reading_is_linear(name):
    read = PARSERS[name]
    for part in REPEATED:
        for around in AROUND:
            small, large = (around.replace("{}", part * (size // len(part))) for size in (SMALL, FOUR_TIMES))
            slow = seconds(read, large, 8 * FLOOR_S)
            assert slow <= 8 * FLOOR_S or slow < 8 * seconds(read, small), (part, around)


def test_200_000_digits_are_no_score_within_a_second():
    started = time.process_time()
    assert read_scores("9" * 200_000).preferred is None
    assert read_scores("9 " * 200_000).preferred is None
    assert read_rating("9" * 200_000, "accuracy")[0] is None
    assert read_grade(f"Rating: {'9' * 200_000}", GRADE)[0] is None
    assert time.process_time() - started < 2
