"""Loads a model's weights from its files, and refuses files that lack some."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from handpicked.config import ModelSettings
from handpicked.errors import ConfigError, first_line
from handpicked.models.quiet import quiet

if TYPE_CHECKING:
    from transformers import PreTrainedModel
    from transformers.models.auto.auto_factory import _BaseAutoModelClass


NAMED = 3
"""The most missing weights that an error names."""


def load_weights(
    kind: type[_BaseAutoModelClass], settings: ModelSettings, place: Path | str, **options: object
) -> PreTrainedModel:
    """The model at ``place`` by the auto class ``kind``; ``options`` go to ``from_pretrained``.

    Raises ConfigError when it cannot be loaded, or when its files lack a weight that is not tied to another.
    """
    from safetensors import SafetensorError

    with quiet():
        try:
            model, report = kind.from_pretrained(
                place,
                trust_remote_code=settings.trust_remote_code,
                use_safetensors=True,
                output_loading_info=True,
                **options,
            )
        except (
            OSError,
            ValueError,
            RuntimeError,
            SafetensorError,
        ) as error:  # the last two: another shape, damage
            raise ConfigError(
                f"The model '{settings.name}' cannot be loaded: {first_line(error)} "
                "handpicked reads safetensors only."
            ) from error
    missing = sorted(report["missing_keys"])
    if missing:
        more = f" and {len(missing) - NAMED:,} more" if len(missing) > NAMED else ""
        raise ConfigError(
            f"The files of '{settings.name}' lack the weights {', '.join(missing[:NAMED])}{more}: "
            "these would be random numbers. "
            "Give the folder of the whole model."
        )
    return model
