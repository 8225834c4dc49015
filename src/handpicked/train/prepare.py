"""Prepares a training before any weight is loaded: encoded rows and their order, in a folder that every
process maps.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from handpicked.config import ModelSettings, TrainSettings
from handpicked.errors import PoolError, TrainingError
from handpicked.models.load import identity
from handpicked.models.template import Encoded, model_template
from handpicked.progress import SILENT, Progress
from handpicked.records import Example, Json
from handpicked.store import read_json, write_json, writing
from handpicked.train.encode import EncodedRows, encode
from handpicked.train.plan import TrainingPlan, plan
from handpicked.train.rows import Places, TokenRows, mapped, open_rows, save, write_rows

FOLDER = "rows"
"""The folder beside the model during training; removed at the end."""
CUT, READDED, ORDER, PARTS, PACKED = "cut.npy", "end_readded.npy", "order.npy", "parts.npy", "packed"


@dataclass(frozen=True)
class PackedRows:
    """Sequences of several rows each, in the order of training; ``parts`` [rows] says before which token
    each row ends.
    """

    sequences: TokenRows
    parts: Places

    def lengths(self, sequence: int) -> list[int]:
        """Tokens of each row in a sequence."""
        end = int(self.sequences.ends[sequence])
        begin = int(self.sequences.ends[sequence - 1]) if sequence else 0
        first, last = np.searchsorted(self.parts, [begin, end], side="right")
        return [int(length) for length in np.diff(self.parts[first:last], prepend=begin)]


@dataclass(frozen=True)
class Prepared:
    """A training of ``arm`` that can begin. ``template`` is the chat template's name, ``base`` what the model
    is made of; ``packed`` is None where rows are not packed.
    """

    arm: str
    seed: int
    template: str
    base: str
    rows: EncodedRows
    planned: TrainingPlan
    packed: PackedRows | None


def prepare(
    examples: Iterable[Example],
    model: ModelSettings,
    settings: TrainSettings,
    folder: Path,
    *,
    arm: str,
    seed: int | None = None,
    total: int | None = None,
    progress: Progress = SILENT,
) -> Prepared:
    """Encode ``examples`` into ``folder`` and plan the training; for ``open_prepared`` in other processes.

    ``seed`` overrides ``settings.seed``; ``total`` is the number of examples, for the progress. Raises
    TrainingError for rows of which nothing could be learned, ConfigError and MissingPart for a model that is
    not there, StoreError for a folder that cannot be written.
    """
    seed = settings.seed if seed is None else seed
    template = model_template(settings.template, model)
    with writing(folder), progress(f"tokenise {arm}", total=total) as step:
        rows = encode(examples, template, settings.max_length, folder, step)
        planned = plan(rows.rows.lengths.tolist(), settings, seed)
        learned = rows.rows.learned_counts
        if not any(learned[row] for row in planned.order):
            raise TrainingError(
                f"The {planned.rows} rows that '{arm}' is trained on have no token to learn: no response, "
                "and so no loss. Check its rows."
            )
        for name, values in ((CUT, rows.cut), (READDED, rows.end_readded), (ORDER, planned.order)):
            save(folder / name, np.asarray(values))
        shutil.rmtree(folder / PACKED, ignore_errors=True)
        if settings.packing:
            _pack(rows.rows, planned, settings, seed, folder / PACKED)
        counts = {name: getattr(rows, name) for name in ("without_room", "refused", "thoughts", "unlearned")}
        about = {"arm": arm, "seed": seed, "template": template.name, "base": identity(model)}
        write_json(
            folder / "prepared.json",
            {**about, "tokens": planned.tokens, "batch_size": planned.batch_size, "rows": counts},
        )
    return open_prepared(folder)


def open_prepared(folder: Path) -> Prepared:
    """What ``prepare`` left in ``folder``, mapped. Raises PoolError where it is not whole."""
    try:
        about: Json = read_json(folder / "prepared.json")
        counts = {
            **about["rows"],
            "refused": tuple((row, reason) for row, reason in about["rows"]["refused"]),
        }
        rows = EncodedRows(
            open_rows(folder), cut=mapped(folder / CUT), end_readded=mapped(folder / READDED), **counts
        )
        order = mapped(folder / ORDER)
        packed = folder / PACKED
        return Prepared(
            about["arm"],
            about["seed"],
            about["template"],
            about["base"],
            rows,
            TrainingPlan(order, about["tokens"], about["batch_size"]),
            PackedRows(open_rows(packed), mapped(packed / PARTS)) if packed.is_dir() else None,
        )
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise PoolError(f"{folder} holds no prepared training: {error!r}. Train again.") from error


def _pack(rows: TokenRows, planned: TrainingPlan, settings: TrainSettings, seed: int, folder: Path) -> None:
    """Write the places of the plan packed best-fit into sequences of ``max_length``, in random order."""
    from datasets import Dataset
    from trl import pack_dataset

    places = [rows[row] for row in planned.order]
    data = Dataset.from_dict(
        {"input_ids": [row.ids for row in places], "labels": [row.labels for row in places]}
    )
    packed = pack_dataset(data, settings.max_length, "bfd").shuffle(seed=seed)
    write_rows([Encoded(one["input_ids"], one["labels"]) for one in packed], folder)
    parts = [length for one in packed for length in one["seq_lengths"]]
    save(folder / PARTS, np.cumsum(parts, dtype=np.int64))
