"""What the scores and selectors have in common, on one sample of a pool: the tables of docs/methods.md.

    handpicked score alpaca_data.json --scorer ifd --sample 2000 --set score.max_length=512 -o scores
    python -m benchmarks.methods --pool alpaca_data.json --scores scores [more of them] [--published FOLDER]
                                 [--embeddings FOLDER] [--write docs/methods.md]

The rows are those of the sample that have a value of the first score. These tables come out, as Markdown:

* how well each score ranks rows that others have published as chosen above the rest (area under the ROC
  curve, with the 95% interval of 2,000 bootstrap resamples). ``--published`` is a folder of Parquet files
  with the column ``alpaca_index``, the row in Alpaca's file, so it needs that pool;
* Spearman's correlation of each score, of each linguistic feature and of being in a published subset with the
  length of the response in tokens;
* the share of rows that each two selectors have in common when both keep ``--size`` of these rows (by default
  half of them, 1,000 at most). Every selector takes part that can be made of the scores given; those that
  fail are named with the reason. Below them, the share of each published subset's rows that a selector keeps;
* with ``--embeddings`` (``embeddings.npy`` and ``rows.npy`` of the whole pool, as ``benchmarks.embed --keep``
  leaves them), the same of the selectors that need no other model, when they keep 1,000 rows of the whole
  pool.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.stats import rankdata, spearmanr

from handpicked import read, select
from handpicked.config import SelectSettings
from handpicked.errors import HandpickedError
from handpicked.records import Pool
from handpicked.scorers.text.features import FEATURES
from handpicked.selection.methods import selector_for
from handpicked.selection.scoring import score_into
from handpicked.selectors.balanced import Balanced
from handpicked.selectors.car import Car
from handpicked.selectors.deita import Deita
from handpicked.selectors.embeddings import Embeddings
from handpicked.selectors.facility_location import FacilityLocation
from handpicked.selectors.k_center import KCenter
from handpicked.selectors.kmeans import KMeans
from handpicked.selectors.length_matched import LengthMatched
from handpicked.selectors.power_law import PowerLaw
from handpicked.selectors.qdit import Qdit
from handpicked.selectors.random import Random
from handpicked.selectors.ranked import Bottom, Longest, Shortest, Top
from handpicked.selectors.selector import Selector
from handpicked.selectors.semdedup import SemDeDup
from handpicked.selectors.t_shirt import Steady
from handpicked.selectors.window import Window

TEXT_SCORES = ("tokens", "repeated_5grams", "compression_ratio")
BEGIN, END = "<!-- measured: python -m benchmarks.methods -->", "<!-- end of measured -->"
HIDDEN = ("_tokens", "_truncated", "_over_1", "_spread", "_ifd", "_rank")
"""Endings of companion columns that are no score of their own."""
CEILINGS = {"ifd": 1.0, "ifd_loss_ratio": 1.0, "superfiltering": 1.0, "superfiltering_loss_ratio": 1.0}
"""Values over these are not selected, as in the papers."""
WHOLE = 1000
"""Rows kept of the whole pool."""
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
    parser.add_argument("--embeddings", type=Path, help="Folder with the embeddings of the whole pool.")
    parser.add_argument("--size", type=int)
    parser.add_argument("--note", default="", help="A sentence on how the scores were made.")
    parser.add_argument("--write", type=Path, help="Put the tables between the marks of this file.")
    arguments = parser.parse_args()
    rows, scores = joined([folder / "scores.parquet" for folder in arguments.scores])
    size = arguments.size or min(1000, len(rows) // 2)
    pool = read(arguments.pool)
    with tempfile.TemporaryDirectory(prefix="handpicked-") as folder:
        sample = written(pool, rows, scores, Path(folder))
        shown = {name: values for name, values in scores.items() if not name.endswith(HIDDEN)}
        shown |= texts(sample, TEXT_SCORES, Path(folder) / "texts")
        lines = [f"{len(rows):,} rows of {pool.rows:,}. {arguments.note}".strip(), ""]
        subsets = {} if arguments.published is None else members(rows, arguments.published)
        if subsets:
            lines += [*areas(shown, subsets), ""]
        features = texts(sample, tuple(FEATURES), Path(folder) / "features")
        published = {f"in {name}": chosen.astype(float) for name, chosen in subsets.items()}
        lines += [*lengths({**shown, **features, **published}), ""]
        lines += overlaps(sample, plans(scores, shown["tokens"], size), size, subsets)
    if arguments.embeddings is not None:
        lines += ["", *overlaps(pool, plain_plans(Embeddings.load(arguments.embeddings)), WHOLE, {})]
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
            if pa.types.is_floating(one[name].type):
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


def texts(sample: Pool, names: Sequence[str], folder: Path) -> dict[str, Column]:
    """Text scores of the sample."""
    score_into(sample, names, folder)
    table = pq.read_table(folder / "scores.parquet")
    return {name: np.asarray(table[name].to_pylist(), np.float64) for name in names}


def area(values: Column, chosen: Column) -> float:
    """The chance that a chosen row has a higher value than another one, ties counted half."""
    positive, negative = int(chosen.sum()), int((~chosen).sum())
    ranks = rankdata(values)
    return float((ranks[chosen].sum() - positive * (positive + 1) / 2) / (positive * negative))


def members(rows: Sequence[int], folder: Path) -> dict[str, Column]:
    """Which of the rows are in each published subset, for those that hold ten of them or more."""
    found = {}
    for file in sorted(folder.glob("*.parquet")):
        if "alpaca_index" in pq.read_schema(file).names:
            found[file.stem] = np.isin(rows, pq.read_table(file)["alpaca_index"].to_numpy())
    return {name: chosen for name, chosen in found.items() if chosen.sum() >= 10}


def areas(scores: Mapping[str, Column], subsets: Mapping[str, Column]) -> Iterator[str]:
    """Area under the curve of every score for every published subset."""
    yield "Area under the ROC curve: how well a score ranks a published subset's rows above the others (0.5: not at all)."
    yield ""
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


def correlation(one: Column, other: Column) -> float:
    """Spearman's rank correlation."""
    return float(spearmanr(one, other).statistic)


def lengths(scores: Mapping[str, Column]) -> Iterator[str]:
    """Spearman's correlation of every score with the response's length."""
    yield "Spearman's correlation with the length of the response (tokens)."
    yield ""
    yield "| score | correlation | rows |"
    yield "|---|--:|--:|"
    for name, values in scores.items():
        known = ~np.isnan(values)
        if name != "tokens":
            found = (
                "none: one value"
                if np.ptp(values[known]) == 0
                else f"{correlation(values[known], scores['tokens'][known]):+.2f}"
            )
            yield f"| `{name}` | {found} | {int(known.sum()):,} |"


def plans(scores: Mapping[str, Column], tokens: Column, size: int) -> dict[str, Selector]:
    """The selectors to compare, by the name in the table."""
    found: dict[str, Selector] = {
        "longest": Longest(),
        "shortest": Shortest(),
        "random": Random(0),
        "window, middle half": Window("tokens", 0.25, 0.75),
        "balanced by root_verb": Balanced("root_verb"),
        "power-law by root_verb": PowerLaw("root_verb"),
    }
    for name in ("repeated_5grams", "compression_ratio"):
        found[name] = selector_for(SelectSettings(by=name, size=size))
    for name in scores:
        if f"{name}_rank" in scores:
            found[name] = Bottom(f"{name}_rank")
        elif name == "t-shirt":
            found[name] = Steady(spread=bool(np.nanmax(scores["t-shirt_spread"]) > 0))
        elif name.endswith(("perplexity", "perplexity_alone")):
            found[f"lowest {name}"] = Bottom(name)
        elif not name.endswith(HIDDEN):
            found[name] = Top(name, CEILINGS.get(name))
    found |= {
        "kmeans": KMeans(),
        "kmeans, longest of each of 100": KMeans(clusters=max(2, size // 10), take="longest"),
        "k-center": KCenter(),
        "facility-location": FacilityLocation(),
        "semdedup": SemDeDup(),
    }
    quality = next(iter(scores))
    given = (quality, True, CEILINGS.get(quality))
    found |= {
        f"deita by {quality}": Deita(*given),
        f"qdit by {quality}": Qdit(*given),
        f"car by {quality}": Car(*given),
    }
    best = np.argsort(
        -np.where(scores[quality] <= CEILINGS.get(quality, math.inf), scores[quality], -math.inf)
    )
    found[f"length-matched to {quality}"] = LengthMatched(tuple(int(tokens[place]) for place in best[:size]))
    return found


def plain_plans(embeddings: Embeddings) -> dict[str, Selector]:
    """The selectors that need text and embeddings alone."""
    found: dict[str, Selector] = {
        "longest": Longest(),
        "shortest": Shortest(),
        "random": Random(0),
        "kmeans": KMeans(embeddings=embeddings),
        "kmeans, longest": KMeans(take="longest", embeddings=embeddings),
        "kmeans, longest of each of 100": KMeans(clusters=100, take="longest", embeddings=embeddings),
        "k-center": KCenter(embeddings=embeddings),
        "facility-location": FacilityLocation(embeddings=embeddings),
        "facility-location, 100 neighbours": FacilityLocation(100, embeddings=embeddings),
        "semdedup": SemDeDup(embeddings=embeddings),
        "deita by tokens": Deita("tokens", embeddings=embeddings),
        "qdit by tokens": Qdit("tokens", embeddings=embeddings),
        "car by tokens": Car("tokens", embeddings=embeddings),
    }
    for name in ("repeated_5grams", "compression_ratio"):
        found[name] = selector_for(SelectSettings(by=name, size=WHOLE))
    return found


def overlaps(
    pool: Pool, selectors: Mapping[str, Selector], size: int, subsets: Mapping[str, Column]
) -> Iterator[str]:
    """The share of rows that each two selections have in common, and of each published
    subset that a selection keeps.
    """
    kept: dict[str, set[int]] = {}
    failed = []
    for name, selector in selectors.items():
        print(f"  {name}", file=sys.stderr)
        try:
            kept[name] = set(select(pool, selector, size=size).rows.tolist())
        except HandpickedError as error:
            failed.append(f"{name} ({str(error).splitlines()[0]})")
    yield f"Rows in common, in percent, when each selector keeps {size:,} of {pool.rows:,} (by chance {size / pool.rows:.0%})."
    yield ""
    yield "| | " + " | ".join(str(number) for number in range(1, len(kept) + 1)) + " |"
    yield "|---|" + "--:|" * len(kept)
    for number, (name, rows) in enumerate(kept.items(), start=1):
        yield f"| {number} `{name}` | {' | '.join(percent(rows & other, size) for other in kept.values())} |"
    for name, chosen in subsets.items():
        some = set(np.flatnonzero(chosen).tolist())
        cells = (percent(some & rows, len(some)) for rows in kept.values())
        yield f"| of the {len(some)} rows in {name} | {' | '.join(cells)} |"
    if failed:
        yield ""
        yield f"Not taking part: {'; '.join(failed)}."


def percent(part: set[int], whole: int) -> str:
    """A share without its sign."""
    return f"{100 * len(part) / whole:.0f}"


if __name__ == "__main__":
    main()
