"""Reading a rating from a reply: one number from 0 to 5 in half points, or the reason why there is none."""

from __future__ import annotations

import re

from handpicked.endpoint.spoken import nothing_said, spoken

LOWEST, HIGHEST, STEP = 0.0, 5.0, 0.5
NUMBER = re.compile(r"(?<![\w.,])[-+]?[0-9]+(?:[.,][0-9]+)?(?:\s?½)?(?![\w%]|[.,][0-9])|(?<!\w)½")
OUT_OF = re.compile(
    r"(?<![\w.,])([0-9]+(?:[.,][0-9]+)?)\s{0,20}(?:/|out\s{1,20}of)\s{0,20}5(?:\.0)?(?![\w.,]{0,40}[0-9])",
    re.IGNORECASE,
)
LABEL = r"""\b(?:the|my|a|overall|final|score|rating|grade|value|response|answer|stars?|points?|is|of|for|and|i|rate|give|it|as)\b
|[\s:=,;|/*_`\#"'\-–—().\[\]{}]"""
SHOWN = 120
MOST_SHOWN = 5


def read_rating(reply: str, dimension: str, finished: bool = True) -> tuple[float | None, str | None]:
    """(rating, None), or (None, why there is none). A rating is never rounded, clipped or guessed.

    It is the number on the first line that holds one and, beside it, only words such as "score" or the name
    of the ``dimension``: ``4.5``, ``4,5``, ``4½``, ``Score: 4.5/5``, ``Accuracy: 4.5 out of 5``. Where no
    line is such a one, ``N/5`` or ``N out of 5`` counts anywhere. Two different numbers, a number outside 0
    to 5 or between the half points, a number in mid-prose, a thought (``<think>``) that does not end, or a
    reply that was cut (``finished`` false) within its number give none.
    """
    text = spoken(reply)
    if not text.strip():
        return None, _because(nothing_said(reply), reply) if reply.strip() else nothing_said(reply)
    lines = text.strip().splitlines()
    labels = re.compile(rf"{LABEL}|\b{re.escape(dimension)}\b", re.IGNORECASE | re.VERBOSE)
    found = [numbers for line in lines if (numbers := _bare(line, labels))]
    if not found:
        found = [[_value(match[1]) for match in OUT_OF.finditer(text)]]
    values = {value for numbers in found for value in numbers}
    if not values:
        return None, _because("no line holds a rating", reply)
    if len(values) > 1:
        shown = ", ".join(f"{value:g}" for value in sorted(values)[:MOST_SHOWN])
        shown += ", ..." if len(values) > MOST_SHOWN else ""
        return None, _because(f"several numbers ({shown}) where one rating belongs", reply)
    if not finished and len(lines) == 1 and not text.endswith("\n"):
        return None, _because("the reply was cut within its rating", reply)
    return _checked(values.pop())


def _checked(value: float) -> tuple[float | None, str | None]:
    if not LOWEST <= value <= HIGHEST:
        return None, f"a rating of {value:g} is outside {LOWEST:g} to {HIGHEST:g}"
    if value % STEP:
        return None, f"a rating of {value:g} is between the half points"
    return value, None


def _bare(line: str, labels: re.Pattern[str]) -> list[float]:
    """The numbers of a line that holds nothing else but labels; else none."""
    plain = OUT_OF.sub(r"\1", line)
    return (
        [] if labels.sub("", NUMBER.sub(" ", plain)) else [_value(number) for number in NUMBER.findall(plain)]
    )


def _value(number: str) -> float:
    """``4.5``, ``4,5`` and ``4½`` are the same."""
    half = number.endswith("½")
    digits = number.rstrip("½").strip().replace(",", ".")
    return float(digits or 0) + (0.5 if half else 0.0)


def _because(why: str, reply: str) -> str:
    excerpt = " ".join(reply.strip()[:2000].split())
    return f"{why}: {excerpt[:SHOWN]!r}"
