"""Whether a machine can run an experiment, found out without reading its pool or its model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from handpicked.config import ArmSettings, Experiment
from handpicked.data.named import is_at_hand, is_named
from handpicked.errors import HandpickedError
from handpicked.experiment.checks import missing_parts
from handpicked.experiment.file import load
from handpicked.experiment.launching import launch_mistakes
from handpicked.experiment.planning.speeds import CPU_MEMORY, guess_size
from handpicked.train.estimate import Work
from handpicked.train.fit import Fit, fit
from handpicked.workers.machine import GIB, Machine


@dataclass(frozen=True)
class Runnable:
    """One experiment on one machine. It ``can`` run where nothing is ``missing`` and every training fits.

    ``starts`` says how its largest training is started and what it takes; ``to_fetch`` names data that are
    not at hand yet, which a run fetches itself.
    """

    name: str
    can: bool
    missing: tuple[str, ...]
    starts: str
    to_fetch: tuple[str, ...]


def runnable(name: str, machine: Machine) -> Runnable:
    """What the experiment ``name`` needs of ``machine``. Memory is for rows as long as they may be, of a model
    of the size that its name says. What is installed here says nothing of a machine that is assumed.

    Raises ConfigError for an experiment that cannot be read.
    """
    experiment = load(name)
    found = [mistake for _, mistake in launch_mistakes(experiment, machine)]
    found += [] if machine.assumed else missing_parts(experiment)
    fits = list(_fits(experiment, machine))
    found += [one.advice for one in fits if one.fits is False]
    largest = max(fits, key=lambda one: one.memory or 0, default=None)
    if (
        not machine.gpu
        and largest is not None
        and largest.fits is not False
        and (largest.memory or 0) > CPU_MEMORY
    ):
        found.append(f"training takes {(largest.memory or 0) / GIB:.0f} GiB on a CPU: it needs a GPU")
    missing = tuple(dict.fromkeys(" ".join(one.split()) for one in found))
    return Runnable(name, not missing, missing, _said(largest), tuple(dict.fromkeys(_to_fetch(experiment))))


def _fits(experiment: Experiment, machine: Machine) -> Iterator[Fit]:
    """How each trained arm would be started; nothing for a model whose size is not in its name."""
    for arm in experiment.arms.values():
        size = guess_size(_model_of(experiment, arm))
        if arm.by == "none" or size is None:
            continue
        settings = arm.train or experiment.train
        longest = settings.max_length
        yield fit(settings, machine, Work(arm.size or settings.batch_size, longest, longest, size))


def _model_of(experiment: Experiment, arm: ArmSettings) -> str:
    return (experiment.model if arm.model is None else experiment.models[arm.model]).name


def _said(one: Fit | None) -> str:
    if one is None:
        return "trains nothing whose size is known"
    ways = {
        "one": "one process a training",
        "ddp": f"{one.ranks} processes, a copy each (DDP)",
        "fsdp": f"{one.ranks} processes that share the weights (FSDP2)",
        "file": "as its Accelerate config says",
    }
    memory = f", at most {one.memory / GIB:.1f} GiB on a device" if one.memory else ""
    return ways[one.kind] + memory


def _to_fetch(experiment: Experiment) -> Iterator[str]:
    paths = [experiment.pool.path, *(pool.path for pool in experiment.pools.values())]
    listed = [one for path in paths for one in ([path] if isinstance(path, str) else path)]
    for prompts in experiment.evaluate.prompts:
        listed += [prompts.path] if prompts.path else []
        listed += [prompts.references.path] if prompts.references else []
    for one in listed:
        try:
            if is_named(one) and not is_at_hand(one):
                yield one
        except HandpickedError:
            continue
