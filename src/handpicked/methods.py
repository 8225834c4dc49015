"""Everything one can name after ``by``, ``measure``, ``guards`` and ``judges``: what it does, its source and its cost."""

from __future__ import annotations

from dataclasses import dataclass

PAPER = "Shen 2024, arXiv 2402.06094"


@dataclass(frozen=True)
class Method:
    """One method. ``needs`` is what it takes beyond the light core; ``planned`` is one that is not there yet."""

    name: str
    about: str
    source: str = ""
    cost: str = "text"
    needs: str = ""
    planned: bool = False


SELECTORS = (
    Method("none", "the untouched model: an arm without a subset"),
    Method("full", "every readable row"),
    Method("longest", "the rows with the longest responses", PAPER),
    Method("shortest", "the rows with the shortest responses"),
    Method("random", "a seeded random subset, the same whatever the order of the pool"),
    Method(
        "length-matched",
        "random rows with the length histogram of another arm: tells length from everything else",
    ),
    Method("top", "the rows with the highest value of a column (field)"),
    Method("bottom", "the rows with the lowest value of a column (field)"),
    Method(
        "kmeans", "diversity by K-Means over sentence embeddings", PAPER, "embedding", "embed", planned=True
    ),
    Method(
        "llm-rating",
        "quality as rated by a chat model",
        "AlpaGasus, arXiv 2307.08701",
        "paid API",
        "an endpoint",
        planned=True,
    ),
)

MEASURES = (
    Method("tokens", "tokens of a tokenizer, by default SmolLM2's, which needs no network"),
    Method("nltk", "NLTK word tokens after Punkt sentence splitting", "Zhao et al. 2024, arXiv 2402.04833"),
    Method("words", "runs of characters between white space"),
    Method("chars", "Unicode code points"),
)


def selectors(*, planned: bool = True) -> dict[str, Method]:
    """The selectors by name, with or without those that are not there yet."""
    return {method.name: method for method in SELECTORS if planned or not method.planned}


def listed() -> dict[str, list[Method]]:
    """All methods, by kind, for ``handpicked methods``."""
    from handpicked.judge import load_judge, shipped_judges

    judges = []
    for name in shipped_judges():
        judge = load_judge(name)
        cost, needs = ("paid API", "an endpoint") if judge.asks else ("embedding", "embed, demo")
        judges.append(Method(name, judge.about, cost=cost, needs=needs))
    return {
        "Selectors (--by)": list(SELECTORS),
        "Measures (--measure)": list(MEASURES),
        "Judges (--judge)": judges,
    }
