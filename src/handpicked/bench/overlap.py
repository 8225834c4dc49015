"""METEOR and ROUGE-L of a long answer against the closest of several references.

METEOR by NLTK (Banerjee and Lavie, 2005; alpha 0.9, beta 3, gamma 0.5): words match by form, then by Porter
stem, then by WordNet synonym. The last stage needs NLTK's ``wordnet`` corpus; where that is not installed it
is left out, scores are a little lower, and the result says so. ROUGE-L by rouge-score (Lin, 2004): F1 of the
longest common subsequence, stemmed. Both are 0 to 1, higher is better.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any


def score_longform(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, float]:
    """lm-eval's ``process_results`` for a document with one reference, ``output``."""
    return overlap(results[0], [doc["output"]])


def score_eli5(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, float]:
    """lm-eval's ``process_results`` for KILT's documents: any of the answers may be the
    reference; some entries hold none.
    """
    return overlap(results[0], [entry["answer"] for entry in doc["output"] if entry["answer"]])


def overlap(answer: str, references: Sequence[str]) -> dict[str, float]:
    """``meteor`` and ``rouge_l`` of an answer against its references, the best of them
    counting. An empty answer has 0.
    """
    from nltk.translate.meteor_score import meteor_score

    words = _words(answer)
    rouge = _rouge()
    return {
        "meteor": max(
            float(meteor_score([_words(reference)], words, wordnet=_wordnet())) for reference in references
        ),
        "rouge_l": max(float(rouge.score(reference, answer)["rougeL"].fmeasure) for reference in references),
    }


def meteor_stages() -> str:
    """Which stages METEOR runs here, for the notes of a result."""
    synonyms = "and synonym" if has_wordnet() else "(no WordNet here, so no synonyms)"
    return f"METEOR matches words by form, stem {synonyms}"


def has_wordnet() -> bool:
    """Whether NLTK's WordNet corpus is installed. Nothing is downloaded."""
    import nltk

    for name in ("corpora/wordnet", "corpora/wordnet.zip"):
        try:
            nltk.data.find(name)
        except LookupError:
            continue
        return True
    return False


class _NoSynonyms:
    """A WordNet without entries: METEOR's third stage then matches nothing."""

    def synsets(self, word: str) -> list[Any]:
        del word
        return []


@cache
def _wordnet() -> Any:
    if not has_wordnet():
        return _NoSynonyms()
    from nltk.corpus import wordnet

    return wordnet


@cache
def _rouge() -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rougeL"], use_stemmer=True)


def _words(text: str) -> list[str]:
    """Words and punctuation as NLTK's Treebank tokenizer cuts them; METEOR lowers case itself."""
    from nltk.tokenize import NLTKWordTokenizer

    return list(NLTKWordTokenizer().tokenize(text))
