"""Runs one benchmark on one model by ``lm_eval.evaluate`` and returns its scores as handpicked's records."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from handpicked.bench.catalogue import BENCHMARKS, Benchmark
from handpicked.bench.in_parts import InParts
from handpicked.bench.listening import hushed
from handpicked.bench.lm import caught_refusals, refuse_likelihoods, what_to_check
from handpicked.bench.loading import load_tasks
from handpicked.bench.local import LocalData
from handpicked.bench.overlap import meteor_stages
from handpicked.bench.punkt import ensure_punkt
from handpicked.errors import HandpickedError, WorkerError, first_line
from handpicked.secrets import redacted
from handpicked.workers import BrokenWorker

SHOTS_SEED = 1234
"""lm-eval's own default, so that examples are the ones that it draws."""
QUESTIONS = ("question", "prompt", "instruction", "input")
"""Fields that hold the question in benchmarks that handpicked does not list; the first that there is."""


@dataclass(frozen=True)
class Score:
    """A mean over ``n`` documents, in the metric's own unit (accuracies 0 to 1), with
    lm-eval's standard error.
    """

    value: float | None
    stderr: float | None
    n: int


@dataclass(frozen=True)
class BenchResult:
    """The result of a benchmark. ``score`` is the number it is read by, named ``metric``;
    ``metrics`` are all it measured.

    ``subtasks`` are the scores of a group's tasks. ``score.value`` is None, with
    ``reason``, for an empty set.
    """

    benchmark: str
    metric: str
    score: Score
    higher_is_better: bool
    shots: int
    generates: bool
    chat: bool
    metrics: Mapping[str, Score] = field(default_factory=dict)
    subtasks: Mapping[str, Score] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    reason: str | None = None


@dataclass(frozen=True)
class BenchSample:
    """One document: its value by every metric, and for generated answers the text.
    ``characters`` is the answer's length.

    ``question`` is what the document asks, without examples, choices and instructions of the harness;
    ``None`` where it asks nothing, or no field is known to hold it.
    """

    task: str
    doc: int
    doc_hash: str
    values: Mapping[str, float]
    answer: str | None = None
    characters: int | None = None
    question: str | None = None


class BenchmarkFailed(Exception):
    """A benchmark failed in lm-eval or in its own code; ``str`` is the reason. The others may go on."""


def evaluate(
    name: str, lm: InParts, data: LocalData | None = None, *, limit: int | None = None, chat: bool = False
) -> tuple[BenchResult, list[BenchSample]]:
    """Run the benchmark ``name`` on ``lm``. ``limit`` is documents a task, the first ones, as lm-eval counts.

    ``chat`` uses the tokenizer's chat template. What the model has answered stays in the folder ``lm.work``
    for the next call; remove it once the result is written. Raises ConfigError and MissingPart before any
    request, PoolError for local rows that are not the benchmark's, and BenchmarkFailed for errors in a
    benchmark's own code, and for devices that refused.
    """
    endpoint = lm.model.endpoint
    if data is not None and not data.rows()[data.evaluated]:
        return _empty(name, chat, f"{data.files[data.evaluated]} has no rows"), []
    notes = [data.note if data else None, _limited(limit), ensure_punkt() if name == "ifeval" else None]
    try:
        with hushed(), caught_refusals() as refused:
            loaded = load_tasks(name, data)
            if endpoint is not None:
                refuse_likelihoods(endpoint, [name] if _compares(loaded) else [])
            found = _run(lm, loaded, limit, chat)
    except BrokenWorker as error:
        raise BenchmarkFailed(redacted(error.reason)) from error
    except WorkerError as error:
        raise BenchmarkFailed(str(error)) from error
    except HandpickedError:
        raise
    except Exception as error:  # a boundary: a benchmark's definition, metric and data set are others' code
        why = f"{type(error).__name__}: {first_line(error)}"
        advice = what_to_check(endpoint, refused.words) if endpoint is not None and _refused(error) else ""
        raise BenchmarkFailed(redacted(why + advice)) from error
    kept = [note for note in notes if note]
    return _result(name, loaded, found, chat, kept), _samples(
        found["samples"], loaded["tasks"], BENCHMARKS.get(name)
    )


def _refused(error: Exception) -> bool:
    """Whether an endpoint refused a request, or is not there: aiohttp's errors, and those
    of requests, are lm-eval's.
    """
    return type(error).__module__.split(".")[0] in ("aiohttp", "requests")


def _compares(loaded: Mapping[str, Any]) -> bool:
    return any(task.OUTPUT_TYPE != "generate_until" for task in loaded["tasks"].values())


def _run(lm: InParts, loaded: Mapping[str, Any], limit: int | None, chat: bool) -> dict[str, Any]:
    """What ``lm_eval.simple_evaluate`` does once the tasks are there, without its survey of the machine."""
    import torch
    from lm_eval import evaluate as lm_evaluate

    random.seed(0)
    np.random.seed(1234)
    torch.manual_seed(1234)
    for task in loaded["tasks"].values():
        if task.get_config("num_fewshot") is None:
            task.set_config(key="num_fewshot", value=0)
        task.set_fewshot_seed(seed=SHOTS_SEED)
    return dict(lm_evaluate(lm, loaded, limit=limit, apply_chat_template=chat, fewshot_as_multiturn=chat))


def _limited(limit: int | None) -> str | None:
    return (
        None
        if limit is None
        else f"only the first {limit} documents of each task: not comparable with published numbers"
    )


def _empty(name: str, chat: bool, reason: str) -> BenchResult:
    benchmark = BENCHMARKS[name]
    return BenchResult(
        name,
        benchmark.metric,
        Score(None, None, 0),
        True,
        benchmark.shots,
        benchmark.generates,
        chat,
        reason=reason,
    )


def _result(
    name: str, loaded: Mapping[str, Any], found: Mapping[str, Any], chat: bool, notes: Sequence[str]
) -> BenchResult:
    tasks = loaded["tasks"]
    whole = name if name in loaded["groups"] else next(iter(tasks)) if len(tasks) == 1 else None
    metrics = _scores(found["results"].get(whole, {}), _count(found["n-samples"], tasks))
    benchmark = BENCHMARKS.get(name)
    metric = benchmark.metric if benchmark else next(iter(metrics), "")
    first = next(iter(tasks.values()))
    reason = None
    if metric not in metrics:
        reason = "lm-eval gives no average over these tasks; name them one by one"
    elif metrics[metric].value is None:
        reason = f"{metric} is not a number"
    shots = found["n-shot"].get(whole or first.task_name)
    subtasks = {task: _scores(found["results"][task], _count(found["n-samples"], [task])) for task in tasks}
    return BenchResult(
        benchmark=name,
        metric=metric,
        score=metrics.get(metric, Score(None, None, 0)),
        higher_is_better=bool(first.higher_is_better().get(metric.split(",")[0], True)),
        shots=shots if isinstance(shots, int) else first.get_config("num_fewshot"),
        generates=first.OUTPUT_TYPE == "generate_until",
        chat=chat,
        metrics=metrics,
        subtasks={task: scores[metric] for task, scores in subtasks.items() if metric in scores}
        if len(tasks) > 1
        else {},
        notes=(*notes, *_about_meteor(metrics)),
        reason=reason,
    )


def _about_meteor(metrics: Mapping[str, Score]) -> tuple[str, ...]:
    return (meteor_stages(),) if "meteor,none" in metrics else ()


def _count(counts: Mapping[str, Mapping[str, int]], tasks: Sequence[str] | Mapping[str, Any]) -> int:
    return sum(counts[task]["effective"] for task in tasks)


def _scores(found: Mapping[str, Any], n: int) -> dict[str, Score]:
    """``acc,none`` and ``acc_stderr,none`` as one score. What is not a finite number is None."""
    return {
        key: Score(_number(value), _number(found.get("{}_stderr,{}".format(*key.split(",", 1)))), n)
        for key, value in found.items()
        if "," in key and not key.split(",")[0].endswith("_stderr")
    }


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _samples(
    found: Mapping[str, Sequence[Mapping[str, Any]]], tasks: Mapping[str, Any], benchmark: Benchmark | None
) -> list[BenchSample]:
    """One record a document, with the values of all its filters."""
    made: dict[tuple[str, int], BenchSample] = {}
    for task, logged in found.items():
        generates = tasks[task].OUTPUT_TYPE == "generate_until"
        for entry in logged:
            values = {f"{metric},{entry['filter']}": _number(entry[metric]) for metric in entry["metrics"]}
            known = {metric: value for metric, value in values.items() if value is not None}
            answer = str(entry["resps"][0][0]) if generates else None
            before = made.get((task, entry["doc_id"]))
            made[task, entry["doc_id"]] = BenchSample(
                task,
                entry["doc_id"],
                entry["doc_hash"],
                {**(before.values if before else {}), **known},
                answer,
                None if answer is None else len(answer),
                _question(entry["doc"], benchmark),
            )
    return list(made.values())


def _question(doc: Mapping[str, Any], benchmark: Benchmark | None) -> str | None:
    fields = QUESTIONS if benchmark is None else (benchmark.question,)
    return next((doc[name] for name in fields if isinstance(doc.get(name), str)), None)
