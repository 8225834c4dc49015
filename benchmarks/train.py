"""Training speed of handpicked against plain TRL, on the same rows, in the same run.

    python -m benchmarks.train --rows 32 --repeats 3
    python -m benchmarks.train --pool alpaca_data.json --method full

Every repeat trains the same model on the same rows by each trainer, one after the other; the figures are
tokens per second of the optimizer steps alone (loading and saving left out), and the median over repeats of
the ratio within a repeat, so that a machine whose speed drifts does not decide. On a machine with other work,
read the second figure: tokens per second of this process's own CPU time. ``trl`` is SFTTrainer as it comes;
``trl, no recomputing`` is the same with gradient_checkpointing off, as handpicked's default is.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from transformers import PrinterCallback, TrainerCallback

from handpicked.config import ModelSettings, TrainSettings
from handpicked.models.load import device, dtype_of, load_model, load_tokenizer
from handpicked.models.quiet import quiet
from handpicked.models.template import load_template
from handpicked.records import Example, Message, messages_id
from handpicked.train import train
from handpicked.train.build import lora_config
from handpicked.train.encode import EncodedRows, encode


def examples(pool: Path | None, rows: int) -> list[Example]:
    """Rows of an Alpaca file, or the documentation of this Python's own string and file methods."""
    if pool is None:
        things = {
            f"{t.__name__}.{n}": getattr(t, n).__doc__
            for t in (str, bytes, dict, list, set, Path, int)
            for n in dir(t)
        }
        pairs = [(f"What does Python's {name} do?", doc) for name, doc in sorted(things.items()) if doc]
    else:
        pairs = [
            (row["instruction"] + "\n\n" * bool(row["input"]) + row["input"], row["output"])
            for row in json.loads(pool.read_text())
        ]
    chosen = random.Random(0).sample(pairs, min(rows, len(pairs)))
    turns = [(Message("user", prompt), Message("assistant", response)) for prompt, response in chosen]
    return [
        Example(i, messages_id(m), m, m[0].content, m[1].content, "benchmark", {})
        for i, m in enumerate(turns)
    ]


class Clock(TrainerCallback):
    """Times the optimizer steps, in wall seconds and in this process's CPU seconds; also
    a progress for handpicked.
    """

    def __init__(self) -> None:
        self.times: list[tuple[float, float]] = []

    def tick(self, *_: object, **__: object) -> None:
        self.times.append((time.perf_counter(), time.process_time()))

    on_train_begin = on_step_end = tick

    @contextmanager
    def __call__(self, label: str, total: float | None) -> Iterator[Callable[[float], None]]:
        yield self.tick if label.startswith("train") else lambda _: None

    def rates(self, tokens: float) -> tuple[float, float]:
        (wall, cpu), (wall_end, cpu_end) = self.times[0], self.times[-1]
        return tokens / (wall_end - wall), tokens / (cpu_end - cpu)


Rates = tuple[float, float]


def by_handpicked(rows: list[Example], model: ModelSettings, settings: TrainSettings) -> Rates:
    """Tokens per second, and per CPU second, of handpicked's trainer."""
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        result = train(rows, model, settings, Path(folder), arm="benchmark", progress=clock)
    return clock.rates(result.training_tokens)


def by_trl(rows: EncodedRows, model: ModelSettings, settings: TrainSettings, **options: bool) -> Rates:
    """Tokens per second, and per CPU second, of SFTTrainer with its own defaults, on the
    same token ids and labels.
    """
    import torch
    from datasets import Dataset, disable_progress_bars
    from trl import SFTConfig, SFTTrainer

    disable_progress_bars()

    clock = Clock()
    data = Dataset.from_dict(
        {"input_ids": [r.ids for r in rows.rows], "labels": [r.labels for r in rows.rows]}
    )
    compute = dtype_of(model)
    with tempfile.TemporaryDirectory() as folder, quiet():
        args = SFTConfig(
            output_dir=folder,
            num_train_epochs=settings.epochs,
            per_device_train_batch_size=settings.micro_batch_size,
            gradient_accumulation_steps=settings.batch_size // settings.micro_batch_size,
            learning_rate=settings.peak_rate,
            max_length=settings.max_length,
            use_cpu=device() == "cpu",
            bf16=compute == torch.bfloat16,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            **options,
        )
        full = settings.method == "full"
        trainer = SFTTrainer(
            model=load_model(model, dtype=torch.float32 if full else compute, on="cpu"),
            args=args,
            train_dataset=data,
            processing_class=load_tokenizer(model),
            peft_config=None if full else lora_config(settings),
            callbacks=[clock],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    return clock.rates(settings.epochs * sum(rows.rows.lengths))


def main() -> None:
    """Measure, print one line a repeat and the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--pool", type=Path, help="a JSON file in Alpaca's format; default: Python's own documentation"
    )
    parser.add_argument("--model", default=ModelSettings().name)
    parser.add_argument("--method", default="lora", choices=["lora", "full"])
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--micro-batch-size", type=int, default=4)
    parser.add_argument("--max-length", type=int, default=512)
    asked = parser.parse_args()
    model = ModelSettings(name=asked.model)
    settings = TrainSettings(
        method=asked.method,
        epochs=1,
        batch_size=asked.batch_size,
        micro_batch_size=asked.micro_batch_size,
        max_length=asked.max_length,
        merge=False,
        save_every=10**6,
    )
    pool = examples(asked.pool, asked.rows)
    with tempfile.TemporaryDirectory() as folder:  # the rows stay mapped when it is gone
        rows = encode(pool, load_template("auto", load_tokenizer(model)), settings.max_length, Path(folder))
    learned = sum(row.learned for row in rows.rows)
    print(
        f"{len(rows.rows)} rows, {sum(rows.rows.lengths)} tokens, {learned} of them learned; "
        f"{settings.method}, on {device()}"
    )
    ways = {
        "trl": lambda: by_trl(rows, model, settings),
        "trl, no recomputing": lambda: by_trl(rows, model, settings, gradient_checkpointing=False),
        "handpicked": lambda: by_handpicked(pool, model, settings),
        "handpicked, packed": lambda: by_handpicked(
            pool, model, settings.model_copy(update={"packing": True})
        ),
    }
    measured: dict[str, list[Rates]] = {name: [] for name in ways}
    for repeat in range(asked.repeats):
        for name, way in ways.items():
            measured[name].append(way())
        line = ", ".join(f"{name} {rates[-1][0]:.1f}" for name, rates in measured.items())
        print(f"repeat {repeat + 1}, tokens/s: {line}", flush=True)
    for name, rates in measured.items():
        for place, unit in enumerate(("tokens/s", "tokens/CPU s")):
            rate = statistics.median(pair[place] for pair in rates)
            ratios = [
                ours[place] / theirs[place] for ours, theirs in zip(rates, measured["trl"], strict=True)
            ]
            print(f"{name:22} {rate:8.1f} {unit:14} {statistics.median(ratios):5.2f} x trl")


if __name__ == "__main__":
    main()
