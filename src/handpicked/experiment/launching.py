"""Checks how trainings are to be started and tracked, before any work starts."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator
from pathlib import Path

from yaml import YAMLError

from handpicked.config import Experiment, TrainSettings
from handpicked.data.files.safe_yaml import checked
from handpicked.errors import did_you_mean, first_line
from handpicked.experiment.file import Location
from handpicked.train.fit import even_ranks
from handpicked.train.launch import LAUNCHES
from handpicked.workers.machine import Machine

TRACKERS: dict[str, str] = {"tensorboard": "tensorboard", "trackio": "trackio", "wandb": "wandb"}
"""Trackers by name, and the module of each."""
Mistakes = list[tuple[Location, str]]


def launch_mistakes(experiment: Experiment, machine: Machine) -> Mistakes:
    """Every ``launch`` that is unknown or impossible on ``machine``, and every unknown tracker, with its
    place in the experiment file.
    """
    return [mistake for at, settings in _sections(experiment) for mistake in _of(at, settings, machine)]


def launched(experiment: Experiment, launch: str | None) -> Experiment:
    """The experiment with every arm started by ``launch``; None: as in its file."""
    if launch is None:
        return experiment
    arms = {
        name: arm
        if arm.train is None
        else arm.model_copy(update={"train": arm.train.model_copy(update={"launch": launch})})
        for name, arm in experiment.arms.items()
    }
    train = experiment.train.model_copy(update={"launch": launch})
    return experiment.model_copy(update={"train": train, "arms": arms})


def missing_for_training(experiment: Experiment) -> list[str]:
    """The requested trackers and 4-bit library that are not installed, each with how to get it."""
    four_bits = any(settings.method == "qlora" for _, settings in _sections(experiment))
    lacking = four_bits and importlib.util.find_spec("bitsandbytes") is None
    named = dict.fromkeys(name for _, settings in _sections(experiment) for name in settings.report_to)
    quantizer = (
        ["bitsandbytes (train.method: qlora): not installed. pip install bitsandbytes"] if lacking else []
    )
    return [*quantizer, *_missing_trackers(named)]


def _missing_trackers(named: Iterable[str]) -> list[str]:
    return [
        f"{name} (train.report_to): not installed. pip install {name}, or leave it out."
        for name in named
        if name in TRACKERS and importlib.util.find_spec(TRACKERS[name]) is None
    ]


def _sections(experiment: Experiment) -> Iterator[tuple[Location, TrainSettings]]:
    if any(arm.by != "none" and arm.train is None for arm in experiment.arms.values()):
        yield ("train",), experiment.train
    for name, arm in experiment.arms.items():
        if arm.train is not None and arm.by != "none":
            yield ("arms", name, "train"), arm.train


def _of(at: Location, settings: TrainSettings, machine: Machine) -> Iterator[tuple[Location, str]]:
    for name in settings.report_to:
        if name not in TRACKERS:
            yield (*at, "report_to"), f"there is no tracker '{name}'.{did_you_mean(name, TRACKERS)}"
    launch, number = settings.launch, len(machine.devices)
    if launch not in LAUNCHES:
        if reason := _no_config(launch):
            yield (*at, "launch"), reason
        return
    if launch not in ("ddp", "fsdp"):
        return
    if settings.batch_size % number:
        yield (
            (*at, "batch_size"),
            f"train.batch_size = {settings.batch_size} cannot be shared evenly by {number} devices (launch: "
            f"{launch}). Make it a multiple of {number}, or give "
            f"{even_ranks(settings, machine)} with --devices.",
        )
    if launch == "fsdp" and not machine.gpu:
        yield (
            (*at, "launch"),
            "FSDP shards weights over GPUs, and the devices are "
            f"{machine.name}: Accelerate would silently do "
            "plain DDP there. Set launch: ddp, or auto.",
        )
    if launch == "fsdp" and settings.method == "qlora":
        yield (
            (*at, "launch"),
            "FSDP cannot shard the 4-bit weights of qlora. Set launch: one or ddp, or method: lora.",
        )


def _no_config(file: str) -> str | None:
    """Why a file is not an Accelerate config; None where it is one."""
    path = Path(file).expanduser()
    if not path.is_file():
        return (
            f"launch '{file}' is neither one of {', '.join(LAUNCHES)} nor the file of an Accelerate config."
            f"{did_you_mean(file, LAUNCHES)}"
        )
    try:
        _, found = checked(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, YAMLError) as error:
        return f"launch: {file} cannot be read as an Accelerate config: {first_line(error)}"
    if not isinstance(found, dict) or "num_processes" not in found:
        return f"launch: {file} is not an Accelerate config: it has no num_processes. 'accelerate config' writes one."
    return None
