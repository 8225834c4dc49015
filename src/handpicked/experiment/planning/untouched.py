"""Arms whose training could not move a weight: all of them at once, with their
places, before any work starts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from handpicked.config import ArmSettings, TrainSettings
from handpicked.errors import PoolError
from handpicked.experiment.file import Location
from handpicked.experiment.lineup import Lineup
from handpicked.experiment.planning.arm_rows import selectable
from handpicked.experiment.planning.planned_arm import (
    Costs,
    PlannedArm,
    arm_likely_rows,
    planned_arm,
    row_costs,
    stays_untouched,
)
from handpicked.experiment.planning.speeds import A_GPU
from handpicked.selection.rounding import share_of
from handpicked.train.schedule import LEAST_RATE_SUM


def untouched(expanded: Lineup) -> list[tuple[Location, str]]:
    """Every arm whose training could not move a weight, with its place and the reason.

    Pools are read only for arms that leave it open: those with a token budget, a fraction, or a learning rate
    next to nothing. Any other arm has a step at the peak rate. A pool that cannot be read is left to the
    stage that reads it.
    """
    arms = expanded.experiment.arms
    open_arms = {name: arm for name, arm in arms.items() if _is_open(arm, expanded.train(name))}
    if not open_arms:
        return []
    try:
        with selectable(expanded) as opened:
            needed = {arm.pool for arm in open_arms.values()}
            costs = {name: row_costs(opened[name]) for name in needed}
    except PoolError:
        return []
    return refused(expanded, [_planned(expanded, name, arm, costs) for name, arm in open_arms.items()])


def refused(expanded: Lineup, planned: Sequence[PlannedArm]) -> list[tuple[Location, str]]:
    """Those of the planned arms whose training could not move a weight, with place and reason."""
    return list(_refused(expanded, planned))


def _refused(expanded: Lineup, planned: Sequence[PlannedArm]) -> Iterator[tuple[Location, str]]:
    for arm in planned:
        reason = stays_untouched(arm, expanded.train(arm.name))
        if reason is not None:
            yield ("arms", expanded.arm(arm.name).family), f"arm '{arm.name}': {reason}"


def _is_open(arm: ArmSettings, settings: TrainSettings) -> bool:
    if arm.by == "none":
        return False
    return (
        settings.budget_tokens is not None or settings.peak_rate < LEAST_RATE_SUM or arm.fraction is not None
    )


def _planned(expanded: Lineup, name: str, arm: ArmSettings, pools: Mapping[str | None, Costs]) -> PlannedArm:
    """The arm's steps. Guards are left out of the count: they may lower it, and
    selecting refuses an empty subset.
    """
    costs, settings = pools[arm.pool], expanded.train(name)
    requested = share_of(arm.fraction, len(costs)) if arm.fraction is not None else arm.size
    rows = len(costs) if requested is None else min(requested, len(costs))
    likely = arm_likely_rows(expanded, arm, costs, rows, settings.max_length)
    return planned_arm(name, arm, rows, likely, settings, None, None, A_GPU)
