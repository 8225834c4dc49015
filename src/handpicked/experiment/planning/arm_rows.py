"""Counts, before a run, the rows that each arm will select, and estimates what scoring them takes.

It splits off the held-out rows, applies the guards and rounds by the code that the stages use, so that a dry
run and a run agree on every count.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from handpicked import data
from handpicked.config import (
    ArmSettings,
    ModelSettings,
    PoolSettings,
    ScoreSettings,
    SelectSettings,
    result_settings,
)
from handpicked.data.stdlib import NAME, write_pool
from handpicked.errors import ConfigError, HandpickedError, PoolError
from handpicked.experiment.job import read_pool, reread, selected, selection_settings, split
from handpicked.experiment.lineup import Lineup
from handpicked.records import Pool
from handpicked.scorers.forecast import Forecast
from handpicked.selection.guards import windows
from handpicked.selection.kept_scores import Content, check_enough, rows_to_score
from handpicked.selection.memory import check_memory
from handpicked.selection.plan import SelectionPlan, plan_for, plan_selection
from handpicked.selection.reasons import none_readable, reasons_of
from handpicked.selectors.random import Random


@contextmanager
def selectable(experiment: Lineup) -> Iterator[dict[str | None, Pool]]:
    """The pools by name (None: the experiment's) as arms select from them: without
    the rows that are held out.

    Raises:
        PoolError: a pool cannot be read, or has too few rows to hold out.
    """
    with tempfile.TemporaryDirectory(prefix="handpicked-") as folder:
        yield {
            name: _without_held_out(experiment.pool(name), Path(folder) / str(place))
            for place, name in enumerate((None, *experiment.experiment.pools))
        }


def _without_held_out(settings: PoolSettings, folder: Path) -> Pool:
    folder.mkdir()
    if settings.path == NAME:
        source: Pool = data.read(write_pool(folder / "all.jsonl"))
    else:
        source = read_pool(settings)
    if settings.path != NAME and not settings.hold_out:
        return source
    split(settings, source, folder)
    return reread(settings, selected(folder / "rest"))


@dataclass(frozen=True)
class ArmScoring:
    """What a scorer by a model takes for an arm. Arms that need the same scores have the same ``work``, which is
    done once.
    """

    scorer: str
    work: str
    forecast: Forecast


@dataclass(frozen=True)
class ArmRows:
    """How many rows an arm selects, and what each of its scorers by a model takes."""

    rows: int
    scoring: tuple[ArmScoring, ...] = ()


def arm_rows(
    experiment: Lineup, pools: Mapping[str | None, Pool], readable: Mapping[str | None, int]
) -> dict[str, ArmRows]:
    """By arm, without the untouched ones; ``readable`` are the rows of each pool that can be read.

    Raises:
        ConfigError: an arm asks for more rows than there are, or keeps none; every such arm at once.
        PoolError: no row of a pool can be read.
    """
    counting = _Counting(experiment, pools, readable)
    found, mistakes = {}, []
    unreadable: PoolError | None = None
    for name, arm in experiment.experiment.arms.items():
        if arm.by == "none":
            continue
        try:
            found[name] = counting.arm(name, arm)
        except ConfigError as error:
            mistakes += [f"arm '{name}': {mistake}" for mistake in error.mistakes]
        except PoolError as error:
            unreadable = unreadable or error
    for name, arm in experiment.experiment.arms.items():
        if arm.of in found and name in found and found[name].rows != found[arm.of].rows:
            mistakes.append(
                f"arm '{name}': it matches the {found[arm.of].rows:,} rows of arm "
                f"'{arm.of}', so its size cannot be "
                f"{found[name].rows:,}."
            )
    if mistakes:
        raise ConfigError(*mistakes)
    if unreadable is not None:
        raise unreadable
    return found


class _Counting:
    """Counts the arms of one experiment. Arms often share pool, guards and scorers: each is looked at once."""

    def __init__(
        self, experiment: Lineup, pools: Mapping[str | None, Pool], readable: Mapping[str | None, int]
    ) -> None:
        self.experiment, self.pools, self.readable = experiment, pools, readable
        self.passed: dict[object, int | None] = {}
        self.tokenizers: dict[ModelSettings, str | None] = {}
        self.forecasts: dict[str, Forecast] = {}
        self.contents: dict[str | None, Content] = {}

    def arm(self, name: str, arm: ArmSettings) -> ArmRows:
        plan = self._plan(name, arm)
        key = (
            arm.pool,
            json.dumps(arm.guards),
            tuple(scorer for guard in plan.guards for scorer in guard.scorers),
        )
        if key not in self.passed:
            self.passed[key] = plan.passed()
        if plan.size != 0 and plan.pool.rows and not self.readable[arm.pool]:
            raise none_readable(reasons_of(plan.pool.rejected()))
        rows = plan.wanted(self.readable[arm.pool], self.passed[key])
        if plan.size != 0 and plan.pool.rows and not rows:
            raise ConfigError("no row would be kept. Change the size, the guards or the pool.")
        return ArmRows(rows, self._scoring(arm, plan) if plan.scorers else ())

    def _plan(self, name: str, arm: ArmSettings) -> SelectionPlan:
        """The arm's selection. Where its model, or the arm that it matches, is not there yet,
        what counts is planned alone.
        """
        pool, turns = self.pools[arm.pool], self.experiment.pool(arm.pool).turns
        settings = SelectSettings.model_validate(arm.model_dump(include=set(SelectSettings.model_fields)))
        if arm.score.prefilter or windows(arm.guards):
            settings = self._counted(name, settings)
        if arm.of is None:
            try:
                return plan_selection(pool, settings, turns)
            except ConfigError:
                raise
            except HandpickedError:
                pass  # missing_parts names it
        plain = settings.model_copy(update={"score": ScoreSettings(), "part": "response"})
        return plan_for(pool, Random(), plain)

    def _counted(self, name: str, settings: SelectSettings) -> SelectSettings:
        """With the tokenizer of the arm's model, which is looked up once: an unreachable hub may be slow to
        fail.
        """
        model = self.experiment.model(name)
        if model not in self.tokenizers:
            try:
                self.tokenizers[model] = selection_settings(self.experiment, name).tokenizer
            except HandpickedError:
                self.tokenizers[model] = None  # missing_parts names it; the embedded one counts
        return settings.model_copy(update={"tokenizer": settings.tokenizer or self.tokenizers[model]})

    def _scoring(self, arm: ArmSettings, plan: SelectionPlan) -> tuple[ArmScoring, ...]:
        """What each scorer by a model takes for the rows that it will be given.

        Raises:
            ConfigError: fewer rows are scored than are selected.
        """
        if arm.pool not in self.contents:
            self.contents[arm.pool] = Content.of(plan.pool)
        chosen = rows_to_score(plan.pool, plan.score, plan.tokenizer, self.contents[arm.pool])
        names = [scorer.name for scorer in plan.scorers]
        check_enough(names, plan.score, chosen, chosen.wanted(plan.size, plan.fraction))
        check_memory(plan, chosen.count)
        found = []
        for scorer in plan.scorers:
            work = json.dumps([arm.pool, chosen.identity, scorer.name, result_settings(scorer)])
            if work not in self.forecasts:
                try:
                    self.forecasts[work] = scorer.estimate(plan.pool, chosen.rows)
                except HandpickedError as error:
                    said = f"{chosen.count:,} rows; nothing more can be said here: {error}"
                    self.forecasts[work] = Forecast(said, usd=None)
            found.append(ArmScoring(scorer.name, work, self.forecasts[work]))
        return tuple(found)
