"""Expands the arms of an experiment file into the models to train, and decides which are compared.

An arm of the file is a *family*: with ``sizes`` or ``fractions``, or on several base models, it becomes
several *arms* of the results; with ``seeds`` each of those is trained several times, and its *members* are
pooled. An arm without any of these is its own only member, under its own name. Names are put together as
family, base model, size, seed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from handpicked.config import ArmSettings, Experiment, ModelSettings, PoolSettings, TrainSettings
from handpicked.errors import ConfigError, did_you_mean

Location = tuple[str | int, ...]
Size = int | float | None
WHOLE = ("none", "full")
"""Arms without a choice of rows: the base model, and training on the whole pool."""


@dataclass(frozen=True)
class Arm:
    """One arm of the results: a family at one size (rows, or a share of the pool) on one base model.

    ``base`` is a name in ``models``, empty where there is but one model. ``members`` are the
    trainings of it, one a seed.
    """

    name: str
    family: str
    by: str
    base: str
    size: Size
    members: tuple[str, ...]


@dataclass(frozen=True)
class Lineup:
    """``experiment`` has the members as its arms, each of one size, one seed and one model;
    ``written`` is the file's.

    ``candidates`` are the arms the question is about, one for each base model, in the order of the models.
    """

    written: Experiment
    experiment: Experiment
    arms: tuple[Arm, ...]
    candidates: tuple[str, ...]

    def arm(self, member: str) -> Arm:
        """The arm that a member belongs to."""
        return next(arm for arm in self.arms if member in arm.members)

    def model(self, member: str) -> ModelSettings:
        """The base model of a member."""
        name = self.experiment.arms[member].model
        return self.experiment.models[name] if name else self.experiment.model

    def train(self, member: str) -> TrainSettings:
        """How a member is trained: its own seed is that of training too."""
        return self.experiment.arms[member].train or self.experiment.train

    def pool(self, name: str | None) -> PoolSettings:
        """The pool of that name; None: the experiment's."""
        return self.experiment.pools[name] if name else self.experiment.pool

    def comparisons(self) -> list[tuple[str, str]]:
        """The members that are to be compared, each candidate's first.

        Two arms that both have seeds are compared seed by seed, in their order; the shorter list starts over.
        """
        by_name = {arm.name: arm for arm in self.arms}
        found: dict[tuple[str, str], None] = {}
        for a, b in self.arm_comparisons():
            mine, theirs = by_name[a].members, by_name[b].members
            for i in range(max(len(mine), len(theirs))):
                found[mine[i % len(mine)], theirs[i % len(theirs)]] = None
        return list(found)

    def arm_comparisons(self) -> list[tuple[str, str]]:
        """The arms that are to be compared: only within a base model.

        With ``pairs: all`` every two. Else the candidate is compared with every other family, and of one with
        sizes with the arm of the same size (all of them where none has it). So that a size curve has one
        yardstick, every size of a family is compared with the base model, as is training on the whole pool.
        """
        found: dict[tuple[str, str], None] = {}
        for candidate in self.candidates:
            first = next(arm for arm in self.arms if arm.name == candidate)
            rest = [arm for arm in self.arms if arm.base == first.base and arm is not first]
            if self.experiment.evaluate.pairs == "all":
                found.update(dict.fromkeys((a.name, b.name) for a, b in combinations([first, *rest], 2)))
                continue
            found.update(dict.fromkeys((first.name, rival.name) for rival in _rivals(first, rest)))
            yardstick = next((arm for arm in (first, *rest) if arm.by == "none"), None)
            if yardstick is not None:
                found.update(
                    ((arm.name, yardstick.name), None)
                    for arm in (first, *rest)
                    if arm is not yardstick and (yardstick.name, arm.name) not in found
                    if any(arm in curve for curve in self.curves())
                )
        return list(found)

    def curves(self) -> list[tuple[Arm, ...]]:
        """The families of several sizes on one base model, smallest first; last the whole pool,
        where an arm is trained on it.
        """
        found = []
        for family, base in dict.fromkeys((arm.family, arm.base) for arm in self.arms):
            sizes = [arm for arm in self.arms if (arm.family, arm.base) == (family, base)]
            if len(sizes) > 1:
                whole = [arm for arm in self.arms if arm.by == "full" and self._alike(arm, sizes[0])]
                found.append((*sorted(sizes, key=lambda arm: arm.size or 0), *whole[:1]))
        return found

    def _alike(self, one: Arm, other: Arm) -> bool:
        """Whether two arms differ in nothing but their rows and how long they train on them."""
        a, b = (self.experiment.arms[arm.members[0]] for arm in (one, other))
        return (a.model, a.pool, a.refine) == (b.model, b.pool, b.refine)


def _rivals(candidate: Arm, rest: Sequence[Arm]) -> Iterator[Arm]:
    for family in dict.fromkeys(arm.family for arm in rest):
        if family == candidate.family:
            continue
        arms = [arm for arm in rest if arm.family == family]
        alike = [arm for arm in arms if arm.size == candidate.size]
        yield from alike or arms


def lineup(experiment: Experiment) -> Lineup:
    """Expand the arms of a checked experiment. One that is expanded already stays as it is."""
    members: dict[str, ArmSettings] = {}
    arms: list[Arm] = []
    for family, written in experiment.arms.items():
        for arm, trained in _expand(experiment, family, written):
            arms.append(arm)
            members |= trained
    plain = experiment.model_copy(update={"arms": members})
    for name, settings in list(members.items()):
        if settings.of is not None:
            found = _matched(settings, settings.of, arms, members)
            members[name] = settings.with_options(of=found[0] if found else settings.of)
    return Lineup(experiment, plain, tuple(arms), _candidates(experiment, arms))


def _expand(
    experiment: Experiment, family: str, written: ArmSettings
) -> Iterator[tuple[Arm, dict[str, ArmSettings]]]:
    bases: list[str | None] = [written.model] if written.model else list(experiment.models) or [None]
    alone = written.size if written.size is not None else written.fraction
    sizes: Sequence[Size] = written.sizes or written.fractions or [alone]
    several = bool(written.sizes or written.fractions)
    for base in bases:
        for size in sizes:
            parts = [family, base if len(bases) > 1 else None, _label(size) if several else None]
            name = "-".join(part for part in parts if part)
            plain: dict[str, object] = {"sizes": (), "fractions": (), "seeds": (), "model": base}
            if several:
                plain["size" if written.sizes else "fraction"] = size
            settings = written.model_copy(update=plain)
            trained = {
                f"{name}-s{seed}": _seeded(settings, seed, experiment.train) for seed in written.seeds
            } or {name: settings}
            yield Arm(name, family, written.by, base or "", size, tuple(trained)), trained


def _label(size: Size) -> str:
    return f"{100 * size:g}pct" if isinstance(size, float) else str(size)


def _seeded(settings: ArmSettings, seed: int, shared: TrainSettings) -> ArmSettings:
    train = (settings.train or shared).model_copy(update={"seed": seed})
    return settings.model_copy(update={"seed": seed, "train": train})


def _matched(
    settings: ArmSettings, of: str, arms: Sequence[Arm], members: dict[str, ArmSettings]
) -> list[str]:
    """The members that an arm may match: those of the arm or family ``of`` on its base, of its size
    and its seed if there are.

    Several mean that the name is not enough; seeds of an arm with one subset (as ``longest``) are all alike.
    """
    found = [arm for arm in arms if of in (arm.name, arm.family, *arm.members)]
    on_base = [arm for arm in found if arm.base == (settings.model or "")] or found
    size = settings.size or settings.fraction
    chosen = on_base if len(on_base) == 1 else [arm for arm in on_base if arm.size == size]
    named = [member for arm in chosen for member in arm.members if member == of]
    listed = [[m for m in arm.members if members[m].seed == settings.seed] or arm.members for arm in chosen]
    return named or [group[0] for group in listed]


def _candidates(experiment: Experiment, arms: Sequence[Arm]) -> tuple[str, ...]:
    """On every base model: the arm that is named, or the largest of the family that is; else the
    first trained on a subset.
    """
    wanted = experiment.candidate_arm
    exact = next((arm for arm in arms if arm.name == wanted), None)
    found = []
    for base in dict.fromkeys(arm.base for arm in arms):
        here = [arm for arm in arms if arm.base == base]
        same = [arm for arm in here if exact and (arm.family, arm.size) == (exact.family, exact.size)]
        family = sorted((arm for arm in here if arm.family == wanted), key=lambda arm: arm.size or 0)
        subsets = [arm for arm in here if arm.by not in WHOLE]
        found.append((same or family[-1:] or subsets or here)[0].name)
    return tuple(found)


def mistakes(experiment: Experiment) -> list[tuple[Location, str]]:
    """Mistakes in arms, sizes, seeds, models and pools, each with its place in the file."""
    found: list[tuple[Location, str]] = []
    for name, arm in experiment.arms.items():
        found += [
            ((("arms", name, *place)), f"arm '{name}' {what}") for place, what in _of_arm(arm, experiment)
        ]
    if experiment.models and "model" in experiment.model_fields_set:
        found.append((("model",), "'model' and 'models' are both given; keep one of them."))
    expanded = lineup(experiment)
    found += _names(expanded)
    found += _references(experiment, expanded)
    return found


def _of_arm(arm: ArmSettings, experiment: Experiment) -> Iterator[tuple[Location, str]]:
    given = [
        field for field in ("size", "fraction", "sizes", "fractions") if getattr(arm, field) not in (None, ())
    ]
    if arm.by in WHOLE and given:
        yield (
            (given[0],),
            f"is {'the base model' if arm.by == 'none' else 'the whole pool'}: '{given[0]}' has no effect there.",
        )
    if arm.by not in WHOLE and len(given) != 1:
        yield (), "needs exactly one of 'size' and 'fraction', or several as 'sizes' or 'fractions'."
    if arm.seeds and arm.by == "none":
        yield ("seeds",), "is not trained: 'seeds' have no effect there."
    if arm.seeds and "seed" in arm.model_fields_set:
        yield ("seeds",), "has both 'seed' and 'seeds'; keep one of them."
    for field in ("sizes", "fractions", "seeds"):
        values = getattr(arm, field)
        if len(set(values)) < len(values):
            yield (field,), f"has a value twice in '{field}'."
    if arm.by == "none" and (arm.refine or arm.pool):
        field = "refine" if arm.refine else "pool"
        yield (field,), f"is not trained: '{field}' has no effect there."
    if arm.by == "length-matched" and arm.of is None:
        yield (), "needs 'of', the arm whose lengths it matches."
    for field, known in (("model", experiment.models), ("pool", experiment.pools)):
        name = getattr(arm, field)
        if name is not None and name not in known:
            hint = did_you_mean(name, known) if known else f" The experiment has no '{field}s'."
            yield (field,), f"names a {field} '{name}' that is not in '{field}s'.{hint}"


def _names(expanded: Lineup) -> Iterator[tuple[Location, str]]:
    """Two arms that would have the same name."""
    seen: dict[str, str] = {}
    for arm in expanded.arms:
        for name in dict.fromkeys((arm.name, *arm.members)):
            if name in seen and seen[name] != arm.family:
                at: Location = ("arms", arm.family)
                yield (
                    at,
                    f"arm '{arm.family}' would be named '{name}', which arm '{seen[name]}' is named; rename one.",
                )
            seen[name] = arm.family


def _references(experiment: Experiment, expanded: Lineup) -> Iterator[tuple[Location, str]]:
    """Names of other arms: ``of`` and ``candidate``."""
    names = list(dict.fromkeys(name for arm in expanded.arms for name in (arm.family, arm.name)))
    members = list(expanded.experiment.arms)
    if experiment.candidate is not None and experiment.candidate not in names:
        yield (
            ("candidate",),
            f"there is no arm '{experiment.candidate}'.{did_you_mean(experiment.candidate, names)}",
        )
    for family, written in experiment.arms.items():
        at: Location = ("arms", family, "of")
        of = written.of
        if of is None:
            continue
        target = next(
            (arm.family for arm in expanded.arms if of in (arm.family, arm.name, *arm.members)), None
        )
        if target is None:
            yield at, f"arm '{family}': there is no arm '{of}'.{did_you_mean(of, [*names, *members])}"
            continue
        other = experiment.arms[target]
        if target == family or other.of is not None or other.by == "none":
            yield (
                at,
                f"arm '{family}' must match an arm that selects a subset and does not itself match another.",
            )
        elif other.pool != written.pool:
            yield at, f"arm '{family}' must match an arm that selects from the same pool."
        else:
            yield from _ambiguous(experiment, expanded, family, of, at)


def _ambiguous(
    experiment: Experiment, expanded: Lineup, family: str, of: str, at: Location
) -> Iterator[tuple[Location, str]]:
    """A family with sizes is matched size by size, or one of its arms is named."""
    settings = dict(expanded.experiment.arms)
    for arm in expanded.arms:
        if arm.family == family:
            plain = settings[arm.members[0]].with_options(of=of)
            if len(_matched(plain, of, expanded.arms, settings)) != 1:
                several = [
                    other.name for other in expanded.arms if other.family == of and other.base == arm.base
                ]
                yield at, f"arm '{family}': '{of}' is several arms; name one of {', '.join(several)}."
                return


def members_of(expanded: Lineup, only: Sequence[str]) -> list[str]:
    """The models to work on, in the file's order; ``only`` names families, arms or single models.

    Raises ConfigError for a name that there is not.
    """
    known = {name for arm in expanded.arms for name in (arm.family, arm.name, *arm.members)}
    for name in only:
        if name not in known:
            hint = did_you_mean(name, known)
            raise ConfigError(f"There is no arm '{name}' in experiment '{expanded.written.name}'.{hint}")
    return [
        member
        for arm in expanded.arms
        for member in arm.members
        if not only or {arm.family, arm.name, member} & set(only)
    ]
