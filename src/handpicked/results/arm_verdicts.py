"""The verdicts of a run, grouped by arm: what the sections of the report are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from handpicked.records import Verdict
from handpicked.results.arm_table import by_arm
from handpicked.results.compared import from_first
from handpicked.results.facts import ArmFacts, RunFacts


@dataclass(frozen=True)
class ArmVerdicts:
    """``groups`` are the models of each arm (one, or one a seed) and ``arm_of`` the arm of each model;
    ``order`` the arms, the candidates first. ``verdicts`` are from the side of the arm that comes first
    there, the base model last, and sorted, so that their original order does not matter. ``judges`` are those
    that gave any; the first answers the experiment's question.
    """

    groups: Mapping[str, Sequence[ArmFacts]]
    arm_of: Mapping[str, str]
    order: Sequence[str]
    verdicts: Sequence[Verdict]
    judges: Sequence[str]

    def by(self, judge: str) -> list[Verdict]:
        """The verdicts of one judge."""
        return [verdict for verdict in self.verdicts if verdict.judge == judge]

    @property
    def main(self) -> list[Verdict]:
        """The verdicts of the first judge; none without judges."""
        return self.by(self.judges[0]) if self.judges else []


def group_verdicts(run: RunFacts) -> ArmVerdicts:
    """The verdicts of the run, each from the side of the arm that comes first."""
    groups = by_arm(run.arms)
    arm_of = {arm.name: name for name, members in groups.items() for arm in members}
    order = [*run.candidates, *(name for name in groups if name not in run.candidates)]
    place = {arm.name: (order.index(arm_of[arm.name]), i) for i, arm in enumerate(run.arms)}
    side = {
        arm.name: (arm.by == "none" and arm_of[arm.name] not in run.candidates, place[arm.name])
        for arm in run.arms
    }
    verdicts = [from_first(v, min(v.a, v.b, key=side.__getitem__)) for v in run.verdicts]
    verdicts.sort(key=lambda v: (v.judge, place[v.a], place[v.b], v.test_set, v.prompt_id))
    return ArmVerdicts(groups, arm_of, order, verdicts, _judges(run.experiment, verdicts))


def _judges(experiment: Mapping[str, Any], verdicts: Sequence[Verdict]) -> list[str]:
    """The judges that gave verdicts, in the order of the experiment file: the first one answers its question.

    A judge that asks a model is called ``name/model`` in its verdicts; one that is a
    folder, by the folder's name.
    """
    found = {verdict.judge for verdict in verdicts}
    listed = []
    for judge in experiment["evaluate"]["judges"]:
        name = PurePath(judge["name"]).name
        listed += [f"{name}/{judge.get('model')}", name]
    return [name for name in dict.fromkeys([*listed, *sorted(found)]) if name in found]
