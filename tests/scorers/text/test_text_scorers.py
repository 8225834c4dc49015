"""Text scorers against their definitions, written out naively."""

from __future__ import annotations

import itertools
import zlib

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handpicked.scorers.scorer import Scorer
from handpicked.scorers.text.compression import CompressionRatio
from handpicked.scorers.text.ending import CutOff, cut_off
from handpicked.scorers.text.length_chars import LengthChars
from handpicked.scorers.text.length_nltk import LengthNltk
from handpicked.scorers.text.length_words import LengthWords
from handpicked.scorers.text.minhash import MinHash
from handpicked.scorers.text.overlap import PromptOverlap
from handpicked.scorers.text.repetition import RepeatedNgrams
from handpicked.scorers.text.words import split_words

texts = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), max_size=6)
repetitive = st.lists(
    st.lists(st.sampled_from("ab\u00e9 "), max_size=60).map(" ".join), min_size=1, max_size=5
)


def batch(responses, prompts=None):
    prompts = prompts if prompts is not None else [""] * len(responses)
    return pa.record_batch(
        {"prompt": pa.array(prompts, pa.large_string()), "response": pa.array(responses, pa.large_string())}
    )


@pytest.mark.parametrize(
    "scorer",
    [
        LengthChars(),
        LengthWords(),
        LengthNltk(),
        RepeatedNgrams(),
        CompressionRatio(),
        CutOff(),
        MinHash(),
        PromptOverlap(()),
    ],
)
def test_every_scorer_keeps_the_contract(scorer):
    assert isinstance(scorer, Scorer)
    for name in ("name", "unit", "better", "scope", "cost", "columns", "missing"):
        assert getattr(scorer, name)
    assert len(scorer(batch([]))) == 0
    assert len(scorer(batch(["", "one two three", None]))) == 3


@given(texts)
def test_words_and_chars_are_those_of_python(values):
    assert LengthWords()(batch(values)).to_pylist() == [len(value.split()) for value in values]
    assert LengthChars()(batch(values)).to_pylist() == [len(value) for value in values]


@given(
    st.lists(
        st.lists(st.sampled_from(["a", "bc", " ", "\n", "\t", "\u00a0", "\u3000", "d"]), max_size=12).map(
            "".join
        ),
        max_size=5,
    )
)
def test_split_words_splits_as_python_does(values):
    words, offsets = split_words(pa.array(values, pa.large_string()))
    found = words.to_pylist()
    assert [found[begin:end] for begin, end in itertools.pairwise(offsets)] == [
        value.split() for value in values
    ]


def test_nltk_counts_are_those_of_its_tokenizers():
    from nltk.tokenize import NLTKWordTokenizer
    from nltk.tokenize.punkt import PunktSentenceTokenizer

    text = "He said: \"It's $3.50, isn't it?\" Then -- at 5 p.m. -- they left... (All of them!) It was 100% done."
    expected = [
        word for one in PunktSentenceTokenizer().tokenize(text) for word in NLTKWordTokenizer().tokenize(one)
    ]
    assert LengthNltk()(batch([text, ""])).to_pylist() == [len(expected), 0]


@settings(deadline=None)
@given(repetitive, st.integers(1, 6))
def test_repeated_ngrams_is_one_minus_distinct_over_all(values, n):
    expected = []
    for value in values:
        words = value.split()
        grams = [tuple(words[at : at + n]) for at in range(len(words) - n + 1)]
        expected.append(1 - len(set(grams)) / len(grams) if grams else None)
    assert RepeatedNgrams(n)(batch(values)).to_pylist() == pytest.approx(expected)


def test_the_same_words_in_another_row_are_no_repetition():
    assert RepeatedNgrams()(batch(["a b c d e f"] * 3)).to_pylist() == [0, 0, 0]


def test_compression_ratio():
    loop, prose = "never again " * 200, "The quick brown fox jumps over the lazy dog, as foxes will."
    ratios = CompressionRatio()(batch([loop, prose, ""])).to_pylist()
    assert ratios[0] == len(loop) / len(zlib.compress(loop.encode(), 6)) > 20
    assert ratios[1] < 1.1
    assert ratios[2] is None


@pytest.mark.parametrize(
    "text",
    [
        "Photosynthesis is the process by which plants turn light into",
        "There are three reasons. First, it is cheap. Second, it is fast,",
        "It was a long day.\nShe went home and found that the door was (",
    ],
)
def test_endings_in_mid_sentence(text):
    assert cut_off(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "Yes", "It is done.", "Is it?", 'He said "no"', "See https://example.org/", "1. One apple a day\n2. Two pears a day",
        "- Milk from the shop\n- Bread from the baker", "Roses are red\nViolets are blue\nSugar is sweet\nAnd so are you",
        "def f(x):\n    return x if x else y", "| a | b |\n| c is the last cell of a row", "\u4f60\u597d\u3002", "The area is 5 m^2",
    ],
)  # fmt: skip
def test_endings_that_are_whole(text):
    assert not cut_off(text)


PROMPT = "Write a short story about a lighthouse keeper who finds a message in a bottle on the beach."


def overlap(responses, prompts, **arguments):
    scorer = PromptOverlap((("set #1", PROMPT), ("set #2", "Tell me a joke")), **arguments)
    return scorer(batch(responses, prompts)).to_pylist()


def test_overlap_finds_thirteen_words_in_a_row_anywhere_in_a_row():
    start = " ".join(PROMPT.split()[:13])
    assert overlap(["", start + " and more", " ".join(PROMPT.split()[:12])], [PROMPT, "x", "x"]) == [
        "set #1",
        "set #1",
        None,
    ]


def test_overlap_ignores_case_and_punctuation_unless_exact():
    shouted = PROMPT.upper().replace(" A ", " a, ")
    assert overlap([""], [shouted]) == ["set #1"]
    assert overlap([""], [shouted], exact=True) == [None]
    assert overlap([""], [PROMPT], exact=True) == ["set #1"]


def test_a_short_prompt_counts_only_as_the_whole_prompt():
    assert overlap(["Tell me a joke", ""], ["Please tell me a joke about cats", "tell me a joke!"]) == [
        None,
        "set #2",
    ]


@settings(deadline=None)
@given(st.lists(st.lists(st.sampled_from("abc"), max_size=8).map(" ".join), max_size=4),
       st.lists(st.lists(st.sampled_from("abcd"), max_size=12).map(" ".join), min_size=1, max_size=4))  # fmt: skip
def test_overlap_equals_a_search_by_sets(prompts, rows):
    n = 3
    scorer = PromptOverlap(tuple((str(place), text) for place, text in enumerate(prompts)), n=n)

    def grams(text):
        words = text.split()
        return {tuple(words[at : at + n]) for at in range(len(words) - n + 1)}

    expected = [any(grams(row) & grams(prompt) for prompt in prompts) for row in rows]
    assert [one is not None for one in scorer(batch(rows)).to_pylist()] == expected


def test_minhash_estimates_jaccard_and_is_the_same_in_any_batch():
    import numpy as np

    words = [f"w{number}" for number in range(400)]
    one, other = " ".join(words[:300]), " ".join(words[100:])
    both = MinHash(n=1)(batch([one, other, "x"]))
    alone = MinHash(n=1)(batch([other]))
    assert both[1] == alone[0]
    signatures = [np.frombuffer(value, "<u4") for value in both.to_pylist()]
    assert (signatures[0] == signatures[1]).mean() == pytest.approx(200 / 400, abs=0.15)
    assert MinHash(n=3)(batch(["two words"]))[0].as_py() is None
