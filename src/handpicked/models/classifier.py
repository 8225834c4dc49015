"""Loads a reward model: a sequence-classification model with one output."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from handpicked.config import ModelSettings
from handpicked.errors import ConfigError, MissingPart, first_line
from handpicked.models.bundled import PREFIX
from handpicked.models.digest import sha256_of_folder
from handpicked.models.load import device, dtype_of, hub_commit, is_folder, pinned
from handpicked.models.quiet import quiet
from handpicked.models.weights import load_weights

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase


def resolve_classifier(settings: ModelSettings) -> Path | str:
    """The folder or hub name of a reward model, after checking that it is one.

    Raises ConfigError for a folder that is missing, a model that is not a sequence classifier or has several
    labels, and MissingPart for a hub model that cannot be had.
    """
    config = classifier_config(settings)
    classes = config.architectures or []
    if not any("SequenceClassification" in name for name in classes):
        raise ConfigError(
            f"'{settings.name}' is not a reward model: it is a "
            f"{', '.join(classes) or config.model_type}, and a reward model is a "
            "sequence-classification model with one output. Its score head would be made "
            "of random numbers. Give another model."
        )
    if config.num_labels != 1:
        raise ConfigError(
            f"'{settings.name}' is not a reward model: it has {config.num_labels} labels "
            f"({', '.join(str(name) for name in config.id2label.values())}) and "
            "a reward model has one output."
        )
    return _place(settings)


def classifier_config(settings: ModelSettings) -> PretrainedConfig:
    """The model's configuration. Reads no weights."""
    place = _place(settings)
    try:
        from transformers import AutoConfig
    except ImportError:
        raise MissingPart("Models need torch and transformers: pip install 'handpicked[lm]'") from None
    with quiet():
        try:
            return AutoConfig.from_pretrained(
                place, revision=pinned(settings), trust_remote_code=settings.trust_remote_code
            )
        except (OSError, ValueError) as error:
            raise ConfigError(f"'{settings.name}' is not a model folder: {first_line(error)}") from error


def classifier_identity(settings: ModelSettings) -> str:
    """What a fingerprint says the model is: the sha256 of its files, or ``name@commit`` on the hub."""
    place = resolve_classifier(settings)
    if isinstance(place, Path):
        return f"sha256:{sha256_of_folder(place)}"
    return f"{settings.name}@{hub_commit(settings)}"


def load_classifier(settings: ModelSettings) -> PreTrainedModel:
    """The reward model in eval mode on the best device. Raises as
    ``resolve_classifier`` and ``load_weights`` do.
    """
    place = resolve_classifier(settings)
    from transformers import AutoModelForSequenceClassification

    model = load_weights(
        AutoModelForSequenceClassification,
        settings,
        place,
        revision=pinned(settings),
        dtype=dtype_of(settings),
    )
    loaded: PreTrainedModel = model.to(device()).eval()
    return loaded


def load_classifier_tokenizer(settings: ModelSettings) -> PreTrainedTokenizerBase:
    """The reward model's own tokenizer."""
    place: Any = _place(settings)
    from transformers import AutoTokenizer

    with quiet():
        return AutoTokenizer.from_pretrained(
            place, revision=pinned(settings), trust_remote_code=settings.trust_remote_code
        )


def _place(settings: ModelSettings) -> Path | str:
    if settings.name.startswith(PREFIX):
        raise ConfigError(
            f"'{settings.name}' is not a reward model, and none is bundled: we know of no small one "
            "that could be. Give a hub name or "
            "a folder."
        )
    if not is_folder(settings.name):
        hub_commit(settings)
        return settings.name
    folder = Path(settings.name).expanduser()
    if not folder.is_dir():
        raise ConfigError(f"There is no model folder '{settings.name}' (looked at {folder.absolute()}).")
    return folder
