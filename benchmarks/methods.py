"""What the scores and selectors have in common, on one sample of a pool: the tables of docs/methods.md.

    handpicked score alpaca_data.json --scorer ifd --sample 2000 --set score.max_length=512 -o scores
    python -m benchmarks.methods --pool alpaca_data.json --scores scores [--published FOLDER] [--write docs/methods.md]

The rows are those of the sample that have a value of the first score. Three tables come out, as Markdown:

* how well each score ranks rows that others have published as chosen above the rest (area under the ROC curve, with the 95%
  interval of 2,000 bootstrap resamples). ``--published`` is a folder of Parquet files with the column ``alpaca_index``, the row in
  Alpaca's file, so it needs that pool;
* Spearman's correlation of each score with the length of the response in tokens;
* the share of rows that each two selectors have in common when both keep ``--size`` of these rows (by default half of them, 1,000 at
  most). Every selector that works here without a key and without a target set takes part; those that do not are named.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.stats import rankdata, spearmanr

from handpicked import read
from handpicked.config import SelectSettings
from handpicked.errors import HandpickedError
from handpicked.pick.choose import pick
from handpicked.pick.scoring import score as score_texts
from handpicked.records import Pool

TEXT_SCORES = ("tokens", "repeated_5grams", "compression_ratio")
BEGIN, END = "<!-- measured: python -m benchmarks.methods -->", "<!-- end of measured -->"
HIDDEN = ("_tokens", "_truncated", "_over_1", "_spread", "_ifd")
"""Endings of companion columns that are no score of their own."""
Column = np.ndarray[Any, Any]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pool", required=True)
    parser.add_argument(
        "--scores", nargs="+", type=Path, required=True, help="Folders of 'handpicked score'."
    )
    parser.add_argument("--published", type=Path, help="Folder of published subsets with alpaca_index.")
    parser.add_argument("--size", type=int)
    parser.add_argument("--note", default="", help="A sentence on how the scores were made.")
    parser.add_argument("--write", type=Path, help="Put the tables between the marks of this file.")
    arguments = parser.parse_args()
    rows, scores = joined([folder / "scores.parquet" for folder in arguments.scores])
    size = arguments.size or min(1000, len(rows) // 2)
    pool = read(arguments.pool)
    with tempfile.TemporaryDirectory(prefix="handpicked-") as folder:
        sample = written(pool, rows, scores, Path(folder))
        scores = {**scores, **texts(sample, Path(folder))}
        lines = [f"{len(rows):,} rows of {pool.rows:,}. {arguments.note}".strip(), ""]
        if arguments.published is not None:
            lines += [*areas(rows, scores, arguments.published), ""]
        lines += [*lengths(scores), "", *overlaps(sample, scores, size, Path(folder))]
    text = "\n".join(lines)
    if arguments.write is None:
        print(text)
        return
    page = arguments.write.read_text(encoding="utf-8")
    before, after = page.split(BEGIN)[0], page.split(END)[1]
    arguments.write.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


def joined(files: Sequence[Path]) -> tuple[list[int], dict[str, Column]]:
    """The rows that have the first file's first score, and every score of theirs, by name."""
    tables = [pq.read_table(file) for file in files]
    first = next(name for name in tables[0].column_names if name not in ("row", "id"))
    table = tables[0].filter(tables[0][first].is_valid())
    rows = table["row"].to_pylist()
    found: dict[str, Column] = {}
    for one in tables:
        places = {row: place for place, row in enumerate(one["row"].to_pylist())}
        for name in one.column_names:
            if pa.types.is_floating(one[name].type) and not name.endswith(HIDDEN):
                values = np.asarray(one[name].to_pylist(), np.float64)
                found[name] = values[[places[row] for row in rows]]
    return rows, found


def written(pool: Pool, rows: Sequence[int], scores: Mapping[str, Column], folder: Path) -> Pool:
    """The sample as a pool of its own, its scores as fields of its rows."""
    file = folder / "sample.jsonl"
    with file.open("w", encoding="utf-8") as lines:
        for place, example in enumerate(pool.examples(rows)):
            numbers = {
                name: None if math.isnan(values[place]) else values[place] for name, values in scores.items()
            }
            lines.write(
                json.dumps({"prompt": example.prompt, "response": example.response, **numbers}) + "\n"
            )
    return read(file)


def texts(sample: Pool, folder: Path) -> dict[str, Column]:
    """The text scores of the sample."""
    score_texts(sample, TEXT_SCORES, folder / "texts")
    table = pq.read_table(folder / "texts" / "scores.parquet")
    return {name: np.asarray(table[name].to_pylist(), np.float64) for name in TEXT_SCORES}


def area(values: Column, chosen: Column) -> float:
    """The chance that a chosen row has a higher value than another one, ties counted half."""
    positive, negative = int(chosen.sum()), int((~chosen).sum())
    ranks = rankdata(values)
    return float((ranks[chosen].sum() - positive * (positive + 1) / 2) / (positive * negative))


def areas(rows: Sequence[int], scores: Mapping[str, Column], folder: Path) -> Iterator[str]:
    """Area under the curve of every score for every published subset."""
    yield "Area under the ROC curve: how well a score ranks a published subset's rows above the others (0.5: not at all)."
    yield ""
    subsets = {}
    for file in sorted(folder.glob("*.parquet")):
        if "alpaca_index" in pq.read_schema(file).names:
            subsets[file.stem] = np.isin(rows, pq.read_table(file)["alpaca_index"].to_numpy())
    subsets = {name: chosen for name, chosen in subsets.items() if chosen.sum() >= 10}
    yield f"| score | {' | '.join(f'{name} ({int(chosen.sum())} rows)' for name, chosen in subsets.items())} |"
    yield "|---|" + "--:|" * len(subsets)
    generator = np.random.default_rng(0)
    for name, values in scores.items():
        known = ~np.isnan(values)
        cells = []
        for subset in subsets.values():
            v, c = values[known], subset[known]
            drawn = []
            for _ in range(2000):
                places = generator.integers(0, len(v), len(v))
                if 0 < c[places].sum() < len(v):
                    drawn.append(area(v[places], c[places]))
            low, high = np.percentile(drawn, [2.5, 97.5])
            cells.append(f"{area(v, c):.2f} ({low:.2f} to {high:.2f})")
        yield f"| `{name}` | {' | '.join(cells)} |"


def lengths(scores: Mapping[str, Column]) -> Iterator[str]:
    """Spearman's correlation of every score with the response's length."""
    yield "Spearman's correlation with the length of the response (tokens)."
    yield ""
    yield "| score | correlation | rows |"
    yield "|---|--:|--:|"
    for name, values in scores.items():
        known = ~np.isnan(values)
        if name != "tokens":
            found = spearmanr(values[known], scores["tokens"][known]).statistic
            yield f"| `{name}` | {found:+.2f} | {int(known.sum()):,} |"


def plans(scores: Mapping[str, Column], size: int) -> dict[str, dict[str, Any]]:
    """The selections to compare, as settings, by the name in the table."""
    plain = ("longest", "shortest", "random", "repeated_5grams", "compression_ratio", "kmeans", "k-center")
    found: dict[str, dict[str, Any]] = {name: {"by": name} for name in plain}
    found["kmeans, longest"] = {"by": "kmeans", "take": "longest", "clusters": max(2, size // 10)}
    found["facility-location"] = {"by": "facility-location"}
    found["semdedup"] = {"by": "semdedup"}
    for name in scores:
        if name not in TEXT_SCORES:
            found[f"top {name}"] = {"by": "top", "field": name}
    quality = next(name for name in scores if name not in TEXT_SCORES)
    for name in ("deita", "qdit", "car"):
        found[f"{name} by {quality}"] = {"by": name, "field": quality}
    return found


def overlaps(sample: Pool, scores: Mapping[str, Column], size: int, folder: Path) -> Iterator[str]:
    """The share of rows that each two selections have in common."""
    kept: dict[str, set[int]] = {}
    failed = []
    for number, (name, settings) in enumerate(plans(scores, size).items()):
        try:
            pick(sample, SelectSettings(**settings, size=size), folder / str(number))
        except HandpickedError as error:
            failed.append(f"{name} ({str(error).splitlines()[0]})")
            continue
        table = pq.read_table(folder / str(number) / "scores.parquet", columns=["row", "kept"])
        kept[name] = set(table.filter(table["kept"])["row"].to_pylist())
    chance = size / sample.rows
    yield f"Rows in common, in percent, when each selector keeps {size:,} of these {sample.rows:,} (by chance {chance:.0%})."
    yield ""
    yield "| | " + " | ".join(str(number) for number in range(1, len(kept) + 1)) + " |"
    yield "|---|" + "--:|" * len(kept)
    for number, (name, rows) in enumerate(kept.items(), start=1):
        cells = (f"{len(rows & other) / size:.0%}".rstrip("%") for other in kept.values())
        yield f"| {number} `{name}` | {' | '.join(cells)} |"
    if failed:
        yield ""
        yield f"Not taking part: {'; '.join(failed)}."


if __name__ == "__main__":
    main()
