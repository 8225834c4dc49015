"""A small reward model, so that the scorer ``reward`` can be measured where no trained one is at hand.

    python -m benchmarks.reward_model --pairs FOLDER -o FOLDER

``--pairs`` is the folder of CaR's expert pairs (Ge et al. 2024, arXiv 2402.18191): responses of Alpaca, each
with what a language expert made of it, 1,000 to fit, 254 to choose the strength of the penalty, 254 to test.
The model is the bundled one with a head of one output, fitted by Bradley and Terry's model (logistic
regression on the difference of two last hidden states); its other weights stay as they are. It is a folder
for ``--scorer reward --model FOLDER``. What is printed: the share of the test pairs that it ranks right, by
the scorer itself, and the share that the longer response ranks right.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from handpicked import read
from handpicked.config import BUNDLED_LM, ModelSettings, ScoreSettings
from handpicked.models.bundled import bundled_folder
from handpicked.models.load import load_model, load_tokenizer
from handpicked.models.quiet import quiet
from handpicked.records import Pool
from handpicked.scorers.lm.model_rows import batches
from handpicked.scorers.model.reward import Encoder
from handpicked.selection.scoring import score_into

PARTS = re.compile(
    r"Instruction: (?P<instruction>.*?)(?: Input: (?P<input>.*?))? Response: (?P<response>.*)", re.DOTALL
)
ESCAPED = re.compile(r"\\(?:u([0-9a-fA-F]{4})|n)")
TOKENS = 512
PAIRS = 1000
"""At most so many are read of a file, from its beginning: all 2,032 take a quarter of an hour on two cores.
"""
PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1)
"""Scikit-learn's C: the smaller, the stronger."""
Array = np.ndarray[Any, Any]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("-o", "--out", type=Path, required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="handpicked-") as name:
        folder = Path(name)
        pools = {
            split: written(
                arguments.pairs / f"car_iqs_expert_pairs_{split}.parquet", folder / f"{split}.jsonl"
            )
            for split in ("train", "valid", "test")
        }
        states = [hidden(pools[split]) for split in ("train", "valid")]
        save(fitted(*(values[1::2] - values[::2] for values in states)), arguments.out)
        settings = ScoreSettings(model=str(arguments.out), max_length=TOKENS)
        score_into(pools["test"], ("reward", "tokens"), folder / "scores", settings=settings)
        table = pq.read_table(folder / "scores" / "scores.parquet")
        right = {name: np.diff(table[name].to_numpy().reshape(-1, 2)) for name in ("reward", "tokens")}
    for what, gaps in right.items():
        print(f"{what}: {((gaps > 0) + (gaps == 0) / 2).mean():.1%} of {len(gaps)} test pairs ranked right")


def written(file: Path, out: Path) -> Pool:
    """The pairs as a pool of prompts and responses, the first of each two rows the one that was revised."""
    with out.open("w", encoding="utf-8") as lines:
        for row in pairs(file):
            lines.write(json.dumps(row) + "\n")
    return read(out)


def pairs(file: Path) -> Iterator[dict[str, str]]:
    """Two rows a pair: the response of Alpaca, then the expert's. Pairs with an empty response are left out.

    Line breaks and quotes are written as escapes in many of the former and in few of the latter. A model
    would learn just that, so they are undone in both.
    """
    rows = [parsed(row["src"]) for row in pq.read_table(file).to_pylist()]
    whole = [pair for pair in zip(rows[::2], rows[1::2], strict=True) if all(row["response"] for row in pair)]
    for pair in whole[:PAIRS]:
        yield from pair


def parsed(text: str) -> dict[str, str]:
    """Prompt and response of one text."""
    text = ESCAPED.sub(lambda found: chr(int(found[1], 16)) if found[1] else "\n", text)
    parts = PARTS.fullmatch(text)
    assert parts, text
    given = f"\n\n{parts['input']}" if parts["input"] else ""
    return {"prompt": parts["instruction"] + given, "response": parts["response"].strip()}


def hidden(pool: Pool) -> Array:
    """The last hidden state at the end of each row, as the scorer's own encoder
    writes it, shape [rows, width].
    """
    import torch

    settings = ModelSettings(name=BUNDLED_LM)
    encode = Encoder(load_tokenizer(settings), settings.name, TOKENS)
    model: Any = load_model(settings)
    rows = [encode(one) for one in pool.examples()]
    found = np.zeros((len(rows), model.config.hidden_size))
    for batch in batches(rows, 4096):
        width = max(len(row.ids) for row in batch)
        # Padding on the right, where a causal model cannot look.
        ids = torch.tensor([[*row.ids, *[0] * (width - len(row.ids))] for row in batch], device=model.device)
        with torch.inference_mode():
            states = model.base_model(input_ids=ids, use_cache=False).last_hidden_state.float().cpu()
        for row, state in zip(batch, states, strict=True):
            found[row.row] = state[len(row.ids) - 1]
    return found


def fitted(train: Array, valid: Array) -> Array:
    """A weight a component, of the penalty that ranks most of ``valid`` right. Differences, shape [pairs,
    width]: revised less original.
    """
    from sklearn.linear_model import LogisticRegression

    scale = train.std(axis=0)
    both = np.concatenate([train, -train]) / scale
    truth = np.repeat([1, 0], len(train))
    best = max(
        (
            LogisticRegression(C=penalty, fit_intercept=False, max_iter=1000).fit(both, truth).coef_[0]
            / scale
            for penalty in PENALTIES
        ),
        key=lambda weights: float((valid @ weights > 0).mean()),
    )
    return np.asarray(best)


def save(weights: Array, folder: Path) -> None:
    """The bundled model, its tokenizer, and a head of one output with these weights."""
    import torch
    from transformers import AutoTokenizer, LlamaForSequenceClassification

    base = bundled_folder(BUNDLED_LM)
    with quiet():
        tokenizer: Any = AutoTokenizer.from_pretrained(base)
        model = LlamaForSequenceClassification.from_pretrained(
            base, num_labels=1, pad_token_id=tokenizer.pad_token_id, dtype=torch.float32
        )
        model.score.weight.data[:] = torch.from_numpy(weights)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    main()
