"""Root verbs and objects of instructions against spaCy's own ``nlp.pipe``, and the linguistic
features, on the same rows.

    python -m benchmarks.english [--alpaca alpaca_data.json] [--rows 6000] [--repeat 3]

* ``handpicked``: ``score.root_verb.root_verbs``, two processes, from texts to verbs and objects.
* ``pipe``: ``nlp.pipe(texts, n_process=2)`` of the whole pipeline as it is loaded, documents thrown away.
* ``pipe, one process``: the same with ``n_process=1``, because two are not always faster.

Equal texts are left out beforehand, so that nobody gains by parsing a text once. The three take turns,
``--repeat`` times; figures are medians of wall and of CPU time. The ratio is to the faster of the two ways of
``pipe``.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from handpicked.scorers.text import root_verb
from handpicked.scorers.text.features import FEATURES

DATA = Path(os.environ.get("HANDPICKED_DATA", "../shared/data")) / "native" / "alpaca_data.json.gz"


def rows_of(file: Path) -> list[dict[str, str]]:
    opened = gzip.open if file.suffix == ".gz" else open
    with opened(file, "rt", encoding="utf-8") as source:
        return list(json.load(source))


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Wall seconds, and CPU seconds of this process and of those it started."""
    started, before = time.perf_counter(), sum(os.times()[:4])
    work()
    return time.perf_counter() - started, sum(os.times()[:4]) - before


def parsing(texts: list[str], repeat: int) -> None:
    import spacy

    nlp = spacy.load(root_verb.PIPELINE)
    list(nlp.pipe(texts[:50]))
    ways: dict[str, Callable[[], object]] = {
        "handpicked": lambda: root_verb.root_verbs(texts),
        "pipe": lambda: sum(1 for _ in nlp.pipe(texts, n_process=2)),
        "pipe, one process": lambda: sum(1 for _ in nlp.pipe(texts)),
    }
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(repeat):
        for name, work in ways.items():
            taken[name].append(seconds(work))
    print(f"{len(texts):,} instructions; medians of {repeat}; texts a second of wall and of CPU time:")
    wall, cpu = (
        {name: len(texts) / statistics.median(one[side] for one in each) for name, each in taken.items()}
        for side in (0, 1)
    )
    for name in ways:
        print(f"  {name:<20} {wall[name]:8,.0f} {cpu[name]:8,.0f}")
    for what, rates in (("wall", wall), ("CPU", cpu)):
        best = max(rates["pipe"], rates["pipe, one process"])
        print(
            f"  handpicked is {rates['handpicked'] / best:.2f} of spaCy's own "
            f"rate by {what} time (asked: 0.80)"
        )


def features(responses: list[str]) -> None:
    batch = pa.record_batch({"response": pa.array(responses, pa.large_string())})
    taken = {name: seconds(lambda make=make: make()(batch))[1] for name, make in FEATURES.items()}  # type: ignore[misc]
    slowest = max(taken, key=lambda name: taken[name])
    print(
        f"{len(taken)} features of {len(responses):,} responses: {sum(taken.values()):.1f} s of CPU "
        f"({slowest}: {taken[slowest]:.1f} s)"
    )


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--alpaca", type=Path, default=DATA)
    options.add_argument("--rows", type=int, default=6000, help="instructions to parse; 0: all")
    options.add_argument("--repeat", type=int, default=3)
    given = options.parse_args()
    rows = rows_of(given.alpaca)
    features([row["output"] for row in rows])
    prompts = [f"{row['instruction']}\n\n{row['input']}".strip() for row in rows]
    texts = list(dict.fromkeys(prompts))
    parsing(texts[: given.rows or None], given.repeat)


if __name__ == "__main__":
    main()
