"""Our overhead over plain lm-evaluation-harness on the same task, model and files.

    python -m benchmarks.bench [--rounds 5] [--limit 100]

Both load nothing: the model is open. Plain is ``lm_eval.simple_evaluate`` without its survey of the machine
(which asks pip for its packages and would make it look slower); ours also reads the local files, keeps every
document's record and writes a stage. The two alternate; medians of the same run are compared.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

TASK = "winogrande"


def plain(lm: Any, folder: Path, scratch: Path, limit: int) -> Callable[[], None]:
    """lm-eval by itself: its own definition included, the file named in it."""
    import lm_eval
    import lm_eval.evaluator
    import yaml
    from lm_eval.tasks import TaskManager

    definition = Path(lm_eval.__file__).parent / "tasks" / "winogrande" / "default.yaml"
    written = {
        "include": str(definition), "task": "plain", "tag": None, "dataset_path": "parquet", "dataset_name": None,
        "dataset_kwargs": {"data_files": {"validation": str(folder / "winogrande_xl_val.parquet")}, "cache_dir": str(scratch)},
        "num_fewshot": 5, "training_split": None, "fewshot_split": "validation", "test_split": "validation",
    }  # fmt: skip
    (scratch / "plain.yaml").write_text(yaml.safe_dump(written))
    lm_eval.evaluator.add_env_info = lambda _: None

    def once() -> None:
        lm_eval.simple_evaluate(
            lm,
            tasks=["plain"],
            limit=limit,
            task_manager=TaskManager(include_defaults=False, include_path=str(scratch)),
        )

    return once


def ours(model: Any, folder: Path, scratch: Path, limit: int) -> Callable[[], None]:
    """A stage of ours, from the files to the record on the disk, each time in a new folder."""
    from handpicked.config import BenchSettings
    from handpicked.experiment.bench_model import bench
    from handpicked.experiment.benchmarks import Subject

    subject = Subject("model", "open", "auto", lambda _: model)
    settings = BenchSettings(data=str(folder), limit=limit)

    def once() -> None:
        bench(subject, [TASK], settings, Path(tempfile.mkdtemp(dir=scratch)))

    return once


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--rounds", type=int, default=5)
    asked.add_argument("--limit", type=int, default=100)
    asked.add_argument("--data", default=os.environ.get("HANDPICKED_DATA", "../shared/data"))
    given = asked.parse_args()
    from handpicked.bench import LocalModel
    from handpicked.config import ModelSettings

    folder = Path(given.data) / "benchmarks"
    model = LocalModel(ModelSettings(dtype="float32"), batch_size=8)
    seconds: dict[str, list[float]] = {"plain": [], "ours": []}
    with tempfile.TemporaryDirectory() as scratch:
        sides = {
            "plain": plain(model.lm, folder, Path(scratch), given.limit),
            "ours": ours(model, folder, Path(scratch), given.limit),
        }
        for side in sides.values():
            side()  # warm
        for _ in range(given.rounds):
            for name, side in sides.items():
                started = time.perf_counter()
                side()
                seconds[name].append(time.perf_counter() - started)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    found = {
        "task": TASK, "documents": given.limit, "rounds": given.rounds, "median seconds": medians,
        "overhead": medians["ours"] / medians["plain"] - 1, "machine": platform.platform(), "cores": os.cpu_count(),
    }  # fmt: skip
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
