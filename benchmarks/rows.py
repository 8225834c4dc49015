"""Scorers that read each row with a model once, against the usual loop over the same rows, in the same run.

    python -m benchmarks.rows [--pool alpaca_data.json] [--rows 128] [--repeats 3] [--reward FOLDER] [--state FOLDER]

* ``rds``, ``deita-quality``, ``reward`` and ``less``: what ``handpicked score`` does, from the pool to the
  written columns, tokenizing included.
* ``usual``: one row at a time with ``transformers``, all threads: the hidden states (rds), the logits of the
  whole vocabulary at every place (deita-quality), the model's output (reward), loss and ``backward`` (less,
  without Adam's step and projection, which ours has).

The bundled model, and for ``reward`` it with a head of random weights, or that of ``--reward``; ``less`` only
with a ``--state`` that training kept, or a folder of them. Loading is left out of the usual loop, not of
ours. Repeats are interleaved, a ratio is taken within a repeat, the median is printed.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch

from benchmarks.score import SETTINGS, pool_of, timed
from benchmarks.train import examples
from handpicked.config import BUNDLED_LM, ModelSettings
from handpicked.models.adam_state import find_states
from handpicked.models.classifier import load_classifier, load_classifier_tokenizer
from handpicked.models.load import load_model, load_tokenizer, resolve
from handpicked.models.template import load_template
from handpicked.progress import SILENT
from handpicked.records import Message, Pool, Prompt
from handpicked.scorers.lm.target import TargetSet, encode_example
from handpicked.scorers.model.deita import DeitaRating
from handpicked.scorers.model.deita import Encoder as Rated
from handpicked.scorers.model.less import Encoder as Learned
from handpicked.scorers.model.less import Less, load_with_adapter
from handpicked.scorers.model.rds import Rds
from handpicked.scorers.model.reward import Encoder as Judged
from handpicked.scorers.model.reward import Reward
from handpicked.scorers.pool_scorer import PoolScorer

ASKED = Prompt("0", (Message("user", "Why is the sky blue?"),), "one", reference="Air scatters blue light.")
TARGET = TargetSet("one", (ASKED,))


def ours(scorer: PoolScorer, pool: Pool) -> float:
    with tempfile.TemporaryDirectory(prefix="handpicked-") as folder:
        return timed(lambda: scorer.score(pool, None, Path(folder), SILENT))[1]


def each(rows: Iterable[Any], read_one: Callable[[Any], Any]) -> float:
    return timed(lambda: [read_one(row) for row in rows])[1]


def reading(model: Any) -> Callable[[Iterable[int]], Any]:
    """A forward pass over one row of token ids."""

    @torch.inference_mode()
    def read_one(ids: Iterable[int]) -> Any:
        return model(input_ids=torch.tensor([list(ids)]))

    return read_one


def random_reward(folder: Path) -> str:
    """The bundled model with a reward head of random weights: speed does not depend on them."""
    from transformers import AutoConfig, AutoModelForSequenceClassification

    config = AutoConfig.from_pretrained(resolve(SETTINGS), num_labels=1, pad_token_id=2)
    AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
    load_tokenizer(SETTINGS).save_pretrained(folder)
    return str(folder)


def pairs(pool: Pool, reward: str, state: str | None) -> dict[str, tuple[PoolScorer, Callable[[], float]]]:
    """Of each scorer, itself and the seconds of its usual loop."""
    rows = list(pool.examples())
    model, tokenizer = load_model(SETTINGS), load_tokenizer(SETTINGS)
    template = load_template("auto", tokenizer)
    deita = DeitaRating("deita-quality", SETTINGS)
    rated = Rated(deita.name, deita._text(), tokenizer, BUNDLED_LM, 8192)
    settings = ModelSettings(name=reward)
    judge = load_classifier(settings)
    judging = Judged(load_classifier_tokenizer(settings), reward, 1 << 30)

    found: dict[str, tuple[PoolScorer, Callable[[], float]]] = {
        "rds": (
            Rds(TARGET, SETTINGS),
            lambda: each((encode_example(template, row, True).ids for row in rows), reading(model.model)),
        ),
        "deita-quality": (deita, lambda: each((rated(row).ids for row in rows), reading(model))),
        "reward": (Reward(settings), lambda: each((judging(row).ids for row in rows), reading(judge))),
    }
    if state:
        first = find_states(state)[0]
        adapted, learned = load_with_adapter(first), Learned(first)

        def backward(row: Any) -> None:
            labels = torch.tensor([row.labels])
            adapted(input_ids=torch.tensor([row.ids]), labels=labels).loss.backward()
            adapted.zero_grad()

        found["less"] = (
            Less(TARGET, state),
            lambda: each((whole for _, whole in map(learned, rows) if whole), backward),
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pool", type=Path, help="An Alpaca file; else Python's own documentation.")
    parser.add_argument("--rows", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--reward", help="The folder of a reward model.")
    parser.add_argument("--state", help="A state that training kept (train.keep_optimizer), for less.")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="handpicked-") as folder:
        chosen = examples(arguments.pool, arguments.rows)
        pool = pool_of(chosen, Path(folder))
        reward = arguments.reward or random_reward(Path(folder) / "reward")
        for name, (scorer, usual) in pairs(pool, reward, arguments.state).items():
            times = [(usual(), ours(scorer, pool)) for _ in range(arguments.repeats)]
            rates = [statistics.median(len(chosen) / one[side] for one in times) for side in (0, 1)]
            ratios = [theirs / own for theirs, own in times]
            each = ", ".join(f"{one:.2f}" for one in ratios)
            print(
                f"{name:<15} usual {rates[0]:6.2f} rows/s, handpicked {rates[1]:6.2f}: "
                f"{statistics.median(ratios):.2f} x ({each})",
                flush=True,
            )


if __name__ == "__main__":
    main()
