"""What the benchmarks of one model will take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from handpicked.bench import planned
from handpicked.config import BenchSettings, ModelSettings
from handpicked.errors import ConfigError, HandpickedError
from handpicked.experiment.planning.speeds import Hardware, forward_hours, guess_size, machine_for
from handpicked.progress import duration
from handpicked.records import Json
from handpicked.train.estimate import model_size


def bench_plan(names: Sequence[str], settings: BenchSettings, model: str | None) -> list[Json]:
    """Documents, requests, tokens and hours of every benchmark on a model; hours are ``None`` where its size
    is unknown, as behind an endpoint (``model`` is ``None``).

    Raises ConfigError where no benchmark is named, or for a name or file that there is not.
    """
    if not names:
        raise ConfigError(
            "Which benchmarks? Give --benchmark, once for each; 'handpicked methods' lists them."
        )
    weights = None if model is None else _weights(model)
    speed = None if weights is None else Hardware.of(machine_for()).speed
    return [
        {
            **asdict(one),
            "hours": None
            if one.tokens is None or speed is None
            else forward_hours(one.tokens, [weights], speed),
        }
        for one in planned(names, settings)
    ]


def bench_lines(entries: Sequence[Json], of: str) -> list[str]:
    """The plan for a terminal."""
    lines = []
    for one in entries:
        known = one["requests"] is not None
        requests = (
            f"{one['documents']:,} documents, {one['requests']:,} requests"
            if known
            else "a task of lm-eval: size unknown"
        )
        time = "time unknown" if one["hours"] is None else f"some {duration(3600 * one['hours'])}"
        lines.append(f"bench {one['benchmark']}: {requests} to {of}, {time}")
    return lines


def _weights(name: str) -> int | None:
    try:
        return model_size(ModelSettings(name=name)).weights
    except (HandpickedError, ImportError):
        guessed = guess_size(name)
        return None if guessed is None else guessed.weights
