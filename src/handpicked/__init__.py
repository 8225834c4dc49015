"""handpicked: pick the few demonstrations worth fine-tuning on, and prove it.

    import handpicked as hp

    subset = hp.select("alpaca_data.json", "longest", size=1000)
    subset.write("alpaca-1k")

docs/python.md shows the rest.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from handpicked._version import __version__

if TYPE_CHECKING:
    from handpicked.config import Experiment
    from handpicked.data import read, read_prompts
    from handpicked.errors import (
        BenchmarkError,
        ConfigError,
        EndpointError,
        HandpickedError,
        MissingPart,
        NotYet,
        PoolError,
        StoreError,
        TrainingError,
        WorkerError,
    )
    from handpicked.experiment.file import load
    from handpicked.experiment.judge_files import Judged
    from handpicked.experiment.judging import calibrate, judge, replay
    from handpicked.experiment.rendering import render
    from handpicked.experiment.run import Outcome, run
    from handpicked.guards.guard import Guard
    from handpicked.pool_audit import audit
    from handpicked.records import Example, Pool, Prompt
    from handpicked.scorers.pool_scorer import PoolScorer
    from handpicked.scorers.scorer import Scorer
    from handpicked.selection import Selection, compare_measures, select
    from handpicked.selection.execution import Execution
    from handpicked.selection.scoring import Scored, score
    from handpicked.selectors.balanced import Balanced
    from handpicked.selectors.full import Full
    from handpicked.selectors.length_matched import LengthMatched
    from handpicked.selectors.power_law import PowerLaw
    from handpicked.selectors.random import Random
    from handpicked.selectors.ranked import Bottom, Longest, Shortest, Top
    from handpicked.selectors.selector import Selector
    from handpicked.selectors.window import Window
    from handpicked.workers import Workers

__all__ = [
    "Balanced",
    "BenchmarkError",
    "Bottom",
    "ConfigError",
    "EndpointError",
    "Example",
    "Execution",
    "Experiment",
    "Full",
    "Guard",
    "HandpickedError",
    "Judged",
    "LengthMatched",
    "Longest",
    "MissingPart",
    "NotYet",
    "Outcome",
    "Pool",
    "PoolError",
    "PoolScorer",
    "PowerLaw",
    "Prompt",
    "Random",
    "Scored",
    "Scorer",
    "Selection",
    "Selector",
    "Shortest",
    "StoreError",
    "Top",
    "TrainingError",
    "Window",
    "WorkerError",
    "Workers",
    "__version__",
    "audit",
    "calibrate",
    "compare_measures",
    "judge",
    "load",
    "read",
    "read_prompts",
    "render",
    "replay",
    "run",
    "score",
    "select",
]

# Where each name lives. It is imported at its first use, so that ``import handpicked`` and ``--help`` stay
# quick.
_HOME = {
    "Balanced": "selectors.balanced",
    "BenchmarkError": "errors",
    "Bottom": "selectors.ranked",
    "ConfigError": "errors",
    "EndpointError": "errors",
    "Example": "records",
    "Execution": "selection.execution",
    "Experiment": "config",
    "Full": "selectors.full",
    "Guard": "guards.guard",
    "HandpickedError": "errors",
    "Judged": "experiment.judge_files",
    "LengthMatched": "selectors.length_matched",
    "Longest": "selectors.ranked",
    "MissingPart": "errors",
    "NotYet": "errors",
    "Outcome": "experiment.run",
    "Pool": "records",
    "PoolError": "errors",
    "PoolScorer": "scorers.pool_scorer",
    "PowerLaw": "selectors.power_law",
    "Prompt": "records",
    "Random": "selectors.random",
    "Scored": "selection.scoring",
    "Scorer": "scorers.scorer",
    "Selection": "selection",
    "Selector": "selectors.selector",
    "Shortest": "selectors.ranked",
    "StoreError": "errors",
    "Top": "selectors.ranked",
    "TrainingError": "errors",
    "Window": "selectors.window",
    "WorkerError": "errors",
    "Workers": "workers",
    "audit": "pool_audit",
    "calibrate": "experiment.judging",
    "compare_measures": "selection",
    "judge": "experiment.judging",
    "load": "experiment.file",
    "read": "data",
    "read_prompts": "data",
    "render": "experiment.rendering",
    "replay": "experiment.judging",
    "run": "experiment.run",
    "score": "selection.scoring",
    "select": "selection",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'handpicked' has no attribute {name!r}")
    return getattr(import_module(f"handpicked.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
