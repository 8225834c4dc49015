"""Everything one can name after ``by``, ``scorer``, ``measure``, ``guards`` and ``judges``: what it does, its source and its cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from handpicked.bench import AVERAGES, BENCHMARKS
from handpicked.judges import load_judge, shipped_judges

if TYPE_CHECKING:
    from handpicked.bench import Benchmark

DEITA = "Liu et al. 2024, arXiv 2312.15685"
PAPER = "Shen 2024, arXiv 2402.06094"


@dataclass(frozen=True)
class Method:
    """One method. ``needs`` is what it takes beyond the light core."""

    name: str
    about: str
    source: str = ""
    cost: str = "text"
    needs: str = ""


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
    Method("window", "random rows between two quantiles (low, high) of a length or a column (field)"),
    Method("balanced", "equal quotas by a column (field); what a small group lacks goes to the others"),
    Method(
        "power-law",
        "within groups (field), long responses are likelier by a power law",
        "s1, Muennighoff et al. 2025, arXiv 2501.19393",
    ),
    Method("repeated_5grams", "the rows whose responses repeat themselves least"),
    Method("compression_ratio", "the rows whose responses compress least"),
    Method("cut_off", "the rows whose responses end as a sentence does"),
    Method("kmeans", "diversity: rows of each K-Means cluster of meaning", PAPER, "embedding", "embed; demo"),
    Method(
        "k-center",
        "diversity: again and again the row farthest from those taken",
        "Sener & Savarese 2018, arXiv 1708.00489",
        "embedding",
        "embed; demo",
    ),
    Method(
        "facility-location",
        "the rows that together stand best for all",
        "Lin & Bilmes 2011",
        "embedding",
        "embed; demo",
    ),
    Method(
        "deita",
        "the best by a score (field) that are not too similar to a better one",
        "DEITA, Liu et al. 2024, arXiv 2312.15685",
        "embedding",
        "embed; demo",
    ),
    Method(
        "qdit",
        "quality (field) and facility location blended (alpha)",
        "Bukharin et al. 2024, arXiv 2311.14736",
        "embedding",
        "embed; demo",
    ),
    Method(
        "car",
        "the best by a score (field) of each cluster of meaning, and of all",
        "CaR, Ge et al. 2024, arXiv 2402.18191",
        "embedding",
        "embed; demo",
    ),
    Method(
        "semdedup",
        "the rows that are least similar to one ranked before them in their cluster",
        "Abbas et al. 2023, arXiv 2303.09540",
        "embedding",
        "embed; demo",
    ),
)

SCORERS = (
    Method(
        "llm-rating",
        "rated from 0 to 5 in half points by a chat model, in a dimension of your choice",
        "AlpaGasus, arXiv 2307.08701",
        "paid API",
        "an endpoint",
    ),
    Method(
        "perplexity",
        "perplexity of the response given the prompt, by a causal LM; name the end yourself",
        "Marion et al. 2023, arXiv 2309.04564",
        "model forward",
        "lm; demo for the bundled model",
    ),
    Method(
        "ifd",
        "how little the prompt helps a causal LM to foresee the response: a ratio of perplexities",
        "Li et al. 2024, arXiv 2308.12032",
        "model forward, twice",
        "lm; demo for the bundled model",
    ),
    Method(
        "superfiltering",
        "IFD by a small causal LM, without a chat template",
        "Li et al. 2024, arXiv 2402.00530",
        "model forward, twice",
        "lm; demo for the bundled model",
    ),
    Method(
        "t-shirt",
        "IFD over the tokens that the prompt moves, for rows whose noisy neighbours agree",
        "T-SHIRT, Fu et al. 2025, arXiv 2506.01317",
        "model forward, twice, 31 times (score.neighbours)",
        "lm; demo for the bundled model",
    ),
    Method(
        "reward",
        "what a reward model gives the response",
        "Ouyang et al. 2022, arXiv 2203.02155",
        "model forward",
        "lm, a reward model",
    ),
    Method(
        "deita-complexity",
        "how complex a scorer model rates the prompt, 1 to 6",
        DEITA,
        "model forward",
        "lm, a scorer model",
    ),
    Method(
        "deita-quality",
        "how good a scorer model rates the response, 1 to 6",
        DEITA,
        "model forward",
        "lm, a scorer model",
    ),
    Method("deita-score", "complexity times quality", DEITA, "model forward, twice", "lm, two scorer models"),
    Method(
        "rds",
        "similarity to a target set in a causal LM's hidden states, round robin over the targets (RDS+)",
        "Ivison et al. 2025, arXiv 2503.01807",
        "model forward",
        "lm, a target set; demo for the bundled model",
    ),
    Method(
        "target-similarity",
        "similarity to a target set in sentence embeddings, round robin over the targets",
        "Ivison et al. 2025, arXiv 2503.01807",
        "embedding",
        "embed, a target set; demo for the bundled model",
    ),
    Method(
        "less",
        "whether a training step on the row would lower the loss on a target set",
        "Xia et al. 2024, arXiv 2402.04333",
        "model backward",
        "train, a target set, a training with keep_optimizer",
    ),
    Method(
        "embedding",
        "a sentence embedding of each row, which the selectors by meaning need; its column is the tokens read",
        "Sentence-BERT, Reimers & Gurevych 2019, arXiv 1908.10084",
        "embedding",
        "embed; demo for the bundled model",
    ),
)

MEASURES = (
    Method("tokens", "tokens of a tokenizer, by default SmolLM2's, which needs no network"),
    Method("nltk", "NLTK word tokens after Punkt sentence splitting", "Zhao et al. 2024, arXiv 2402.04833"),
    Method("words", "runs of characters between white space"),
    Method("chars", "Unicode code points"),
)

FEATURES = (
    Method("politeness", "courtesies: thanks, apologies, greetings, closings, offers of help"),
    Method("hedges", "words that weaken a claim: may, perhaps, usually, I think"),
    Method("contrast", "discourse markers of contrast: but, however, although"),
    Method("cause", "discourse markers of cause and result: because, therefore, in order to"),
    Method("elaboration", "discourse markers that add or give an example: also, for example, such as"),
    Method("temporal", "discourse markers of order in time: then, after, finally"),
    Method("conclusion", "discourse markers that sum up: overall, in conclusion"),
    Method("first_person", "I, we, my, our and their forms"),
    Method("second_person", "you, your and their forms"),
    Method("questions", "question marks that end a sentence"),
    Method("list_items", "bullets and numbered items"),
    Method("steps", "numbered lines and lines that begin with Step 1"),
    Method("headings", "Markdown headings"),
    Method("table_rows", "rows of Markdown tables"),
    Method("bold", "spans in bold"),
    Method("code", "share of the characters in fenced code"),
    Method(
        "lexical_diversity",
        "different words per word, over a moving window of 25",
        "Covington and McFall 2010, J. Quantitative Linguistics 17(2)",
    ),
    Method("reading_ease", "how easily English reads, in points", "Flesch 1948, J. Applied Psychology 32(3)"),
    Method("sentences", "number of sentences"),
    Method(
        "root_verb",
        "the verb that says what the instruction asks for: a column for balanced",
        "Self-Instruct, Wang et al. 2023, arXiv 2212.10560",
        "model forward",
        "english",
    ),
)
"""Linguistic features of the response, most of them per 100 words: scorers without a better end."""

GUARDS = (
    Method("repetition", "drops responses with a larger share of repeated 5-grams (default 0.30)"),
    Method("compressibility", "drops responses that compress to a smaller share of their size"),
    Method("cut-off", "drops responses that end in mid-sentence"),
    Method("duplicates", "drops all but the first of exact duplicates"),
    Method("near-duplicates", "drops all but the first of near duplicates (MinHash)"),
    Method("token-window", "drops responses outside MIN:MAX tokens"),
    Method("decontaminate", "drops rows that share a 13-gram with an evaluation prompt (prompts)"),
)


def selectors() -> dict[str, Method]:
    """What ``by`` may name: selectors and scorers."""
    return {method.name: method for method in (*SELECTORS, *SCORERS)}


def listed() -> dict[str, list[Method]]:
    """All methods, by kind, for ``handpicked methods``."""
    judges = []
    for name in shipped_judges():
        judge = load_judge(name)
        cost, needs = ("paid API", "an endpoint") if judge.asks else ("embedding", "embed, demo")
        judges.append(Method(name, judge.about, cost=cost, needs=needs))
    benchmarks = [
        Method(
            b.name, b.about, b.source, cost=_bench_cost(b), needs=f"bench; its files, or {b.hub} on the hub"
        )
        for b in BENCHMARKS.values()
    ]
    benchmarks += [
        Method(name, f"the mean of {', '.join(members)}", cost="all of theirs", needs="bench")
        for name, members in AVERAGES.items()
    ]
    return {
        "Selectors (--by)": list(SELECTORS),
        "Scorers (--scorer; --by keeps the better end, --by top or bottom with --field the one you name)": list(
            SCORERS
        ),
        "Measures (--measure)": list(MEASURES),
        "Features (--field, --scorer)": list(FEATURES),
        "Guards (--guard)": list(GUARDS),
        "Judges (--judge)": judges,
        "Benchmarks (evaluate.benchmarks, bench --task; also any task of lm-evaluation-harness)": benchmarks,
    }


def _bench_cost(benchmark: Benchmark) -> str:
    requests = benchmark.size * benchmark.requests
    what = "answers generated" if benchmark.generates else "likelihoods"
    return f"model forward, {requests:,} {what} after some {benchmark.prompt_tokens:,} tokens each"
