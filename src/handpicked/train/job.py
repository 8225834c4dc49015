"""A training as a folder of two files, so that ``accelerate launch`` can start it in several processes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from handpicked.config import ModelSettings, TrainSettings
from handpicked.errors import PoolError
from handpicked.progress import SILENT, Progress
from handpicked.records import LINE, Example, Message
from handpicked.store import read_json, write_json, write_text
from handpicked.train.sft import TrainResult, train


def write_job(
    folder: Path,
    examples: Sequence[Example],
    model: ModelSettings,
    settings: TrainSettings,
    out: Path,
    *,
    arm: str,
) -> Path:
    """Write ``job.json`` and ``rows.jsonl`` into ``folder`` and return the former, for
    ``python -m handpicked.train``.
    """
    write_text(folder / "rows.jsonl", "".join(_row(example) + "\n" for example in examples))
    job = {
        "arm": arm,
        "out": str(out),
        "model": model.model_dump(mode="json"),
        "train": settings.model_dump(mode="json"),
    }
    write_json(folder / "job.json", job)
    return folder / "job.json"


def run_job(job_file: Path, *, progress: Progress = SILENT) -> TrainResult:
    """Train what ``write_job`` wrote. The first process writes ``train.json`` beside the model, last of all.

    Raises PoolError when the job cannot be read, and what ``train`` raises.
    """
    try:
        job = read_json(job_file)
        lines = (
            (job_file.parent / "rows.jsonl").read_text(encoding="utf-8", errors="surrogatepass").split("\n")
        )
        examples = [_example(json.loads(line)) for line in lines if line]
        model, settings = ModelSettings(**job["model"]), TrainSettings(**_tuples(job["train"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PoolError(
            f"{job_file} is no training job: {error!r}. handpicked.train.job.write_job makes one."
        ) from error
    out = Path(job["out"])
    result = train(examples, model, settings, out, arm=job["arm"], progress=progress)
    from accelerate import PartialState

    if PartialState().is_main_process:
        folders = {
            "adapter": result.adapter and result.adapter.name,
            "merged": result.merged and result.merged.name,
        }
        write_json(out / "train.json", {**asdict(result), **folders})
    return result


def _row(example: Example) -> str:
    row = {"row": example.row, "id": example.id, "messages": example.messages, "prompt": example.prompt}
    return LINE.encode({**row, "response": example.response, "source": example.source})


def _example(row: dict[str, Any]) -> Example:
    messages = tuple(map(Message.of, row["messages"]))
    return Example(row["row"], row["id"], messages, row["prompt"], row["response"], row["source"], {})


def _tuples(settings: dict[str, Any]) -> dict[str, Any]:
    """JSON has lists where the settings have tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
