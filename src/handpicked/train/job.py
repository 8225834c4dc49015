"""A training as a folder of files, so that other processes can do it: ``python -m
handpicked.train JOB.json``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from handpicked.config import ModelSettings, TrainSettings
from handpicked.errors import PoolError
from handpicked.models.load import device
from handpicked.progress import SILENT, Progress
from handpicked.records import Example, Json
from handpicked.store import read_json, write_json
from handpicked.train.prepare import open_prepared, prepare
from handpicked.train.sft import TrainResult, tidy, train_prepared

JOB, RESULT, STEPS = "job.json", "train.json", "steps"


def write_job(
    folder: Path,
    examples: Iterable[Example],
    model: ModelSettings,
    settings: TrainSettings,
    out: Path,
    *,
    arm: str,
    total: int | None = None,
    progress: Progress = SILENT,
) -> Path:
    """Write the encoded rows and ``job.json`` into ``folder`` and return the latter, for
    ``python -m handpicked.train``. ``total``: how many examples there are, for the progress. Raises what
    ``prepare`` raises.
    """
    prepare(examples, model, settings, folder, arm=arm, total=total, progress=progress)
    job = {
        "out": str(out.absolute()),
        "model": model.model_dump(mode="json"),
        "train": settings.model_dump(mode="json"),
    }
    write_json(folder / JOB, job)
    return folder / JOB


def run_job(job_file: Path) -> TrainResult:
    """Train what ``write_job`` wrote. The first process writes ``train.json`` beside the model, last of all.

    Raises PoolError when the job cannot be read, and what ``train`` raises.
    """
    folder = job_file.parent
    try:
        job = read_json(job_file)
        model, settings = ModelSettings(**job["model"]), TrainSettings(**_tuples(job["train"]))
        out = Path(job["out"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PoolError(
            f"{job_file} is not a training job: {error!r}. handpicked.train.job.write_job makes one."
        ) from error
    prepared = open_prepared(folder)
    from accelerate import PartialState

    first = PartialState(cpu=device() == "cpu").is_main_process
    result = train_prepared(
        prepared, model, settings, out, progress=_counted(folder / STEPS) if first else SILENT
    )
    if first:
        folders = {
            "adapter": result.adapter and result.adapter.name,
            "merged": result.merged and result.merged.name,
        }
        write_json(out / RESULT, {**asdict(result), **folders})
        tidy(out)
    return result


def read_result(out: Path) -> TrainResult | None:
    """What ``run_job`` wrote into ``out``; None where it has not come to its end."""
    if not (out / RESULT).is_file():
        return None
    found = read_json(out / RESULT)
    curves = {name: tuple(map(tuple, found[name])) for name in ("losses", "token_accuracies")}
    folders = {name: out / found[name] if found[name] else None for name in ("adapter", "merged")}
    return TrainResult(**{**found, **curves, **folders})


def steps_done(folder: Path) -> float:
    """The optimizer steps that a running job in ``folder`` has done."""
    try:
        lines = (folder / STEPS).read_text().splitlines()
    except OSError:
        return 0
    return sum(float(line) for line in lines[1:])


def _counted(file: Path) -> Progress:
    """Progress that another process reads in ``file``, a line a step; the first line is its label."""

    @contextmanager
    def counted(label: str, total: float | None) -> Iterator[Callable[[float], None]]:
        del total
        file.parent.mkdir(exist_ok=True)
        file.write_text(label + "\n", encoding="utf-8")
        with file.open("a", encoding="utf-8", buffering=1) as lines:
            yield lambda done: print(done, file=lines) if done else None

    return counted


def _tuples(settings: Json) -> Json:
    """JSON has lists where the settings have tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
