"""The arms of a run as columns: the state of each row in each arm, in which arms it is, and all scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from handpicked.explore.columns import Category, Column
from handpicked.explore.scored import SCORES, STATES, ScoreFile, manifest

NO_ARM = "no arm"


@dataclass(frozen=True)
class ArmColumns:
    """``state``: kept by any arm. ``together``: the names of the arms that a row is in. ``states`` and
    ``reasons``: of each arm. ``scores``: each once, where arms agree on it.
    """

    state: Category
    together: Category
    states: Mapping[str, Category]
    reasons: Sequence[Column]
    scores: Sequence[Column]


def arms_of(run: Path) -> list[list[str]]:
    """The arms with a subset, grouped by the pool they select from; the largest group first."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for file in sorted(run.glob(f"subset/*/{SCORES}")):
        inputs = manifest(file.parent).get("pool", {}).get("inputs", [])
        groups.setdefault(tuple(one.get("sha256", "") for one in inputs), []).append(file.parent.name)
    return sorted(groups.values(), key=lambda arms: -len(arms))


def arm_columns(files: Mapping[str, ScoreFile]) -> ArmColumns:
    """The columns of arms that select from one pool."""
    states = {arm: file.state(f"arm {arm}") for arm, file in files.items()}
    reasons = [file.reason(f"reason {arm}") for arm, file in files.items()]

    def any_state() -> tuple[np.ndarray, Sequence[str]]:
        codes = np.min([state.codes for state in states.values()], axis=0)
        return codes.astype(np.int32), STATES

    def together() -> tuple[np.ndarray, Sequence[str]]:
        arms = list(states)
        marks = np.stack([state.codes == 0 for state in states.values()], axis=1)
        _, first, codes = np.unique(
            np.packbits(marks, axis=1), axis=0, return_index=True, return_inverse=True
        )
        texts = [
            together_of([arm for arm, mark in zip(arms, marks[row], strict=True) if mark]) for row in first
        ]
        return codes.reshape(-1).astype(np.int32), texts

    about = "the arms whose subset the row is in"
    return ArmColumns(
        Category("state", any_state, "kept by any arm"),
        Category("arms", together, about),
        states,
        reasons,
        _scores(files),
    )


def together_of(arms: Sequence[str]) -> str:
    """The name of a combination of arms."""
    return " + ".join(arms) or NO_ARM


def _scores(files: Mapping[str, ScoreFile]) -> list[Column]:
    """The scores of all arms: one of a name that is the same everywhere, else each with its arm."""
    by_name: dict[str, dict[str, Column]] = {}
    for arm, file in files.items():
        for column in file.columns():
            by_name.setdefault(column.name, {})[arm] = column
    found: list[Column] = []
    for name, columns in by_name.items():
        first, *others = columns.values()
        if all(first.same(other) for other in others):
            found.append(first)
            continue
        for arm, column in columns.items():
            column.name = f"{name} of {arm}"
            found.append(column)
    return found
