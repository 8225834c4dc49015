"""The options of ``handpicked select`` that write a subset for other trainers."""

from __future__ import annotations

from collections.abc import Sequence

from handpicked.config import TrainSettings
from handpicked.errors import ConfigError
from handpicked.exports.write import Export
from handpicked.selection.result import export_for
from handpicked.settings import assigned, settings_of


def exports_of(names: Sequence[str], train: Sequence[str], max_length: int | None) -> tuple[Export, ...]:
    """The exports that are asked for, with the settings that they train with.

    Raises ConfigError for a trainer or a setting that is not known, and for settings without an export.
    """
    if train and not names:
        raise ConfigError("--train says how an exported config trains: give --export too.")
    given, _ = assigned(train)
    cutoff = {} if max_length is None else {"max_length": max_length}
    settings = settings_of(TrainSettings, {**cutoff, **given}, "train.")
    return tuple(export_for(name, settings) for name in dict.fromkeys(names))
