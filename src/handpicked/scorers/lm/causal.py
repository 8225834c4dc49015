"""A causal language model before its weights are loaded: configuration, context, size."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from handpicked.config import ModelSettings
from handpicked.errors import ConfigError, MissingPart, first_line
from handpicked.method import parts
from handpicked.models.load import dtype_of, identity, load_tokenizer, pinned, resolve
from handpicked.models.template import load_template
from handpicked.models.template_source import SHIPPED, own_templates
from handpicked.scorers.lm.forecast import weights_of

if TYPE_CHECKING:
    from transformers import PretrainedConfig

TRAINED_FOR_IT = parts(
    model="name",
    revision="revision",
    trust_remote_code="trust_remote_code",
    missing="needs a model that was trained for it, and none is bundled. Give a folder or a hub name (--model NAME).",
)
"""Metadata of a scorer's model that has no default: no model of its kind is small enough to be bundled."""


def config_of(model: ModelSettings) -> PretrainedConfig:
    """The model's configuration. Raises ConfigError and MissingPart as ``resolve`` does."""
    place = resolve(model)
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(
            place, revision=pinned(model), trust_remote_code=model.trust_remote_code
        ).get_text_config()
    except OSError as error:
        raise MissingPart(
            f"The configuration of '{model.name}' cannot be read: {first_line(error)}"
        ) from error


def made_of(model: ModelSettings) -> str:
    """What a fingerprint says the scores are computed by: the model, and the number type, which
    moves them by 1e-3 or so.
    """
    return f"{identity(model)}, {number_type(model)}"


def template_of(model: ModelSettings, template: str) -> str:
    """What a fingerprint says of the chat template: the tokenizer's own, which is among the
    model's files, or one of ours.

    Raises ConfigError for ``auto`` where the tokenizer has none, because nobody chose a substitute, and for a
    name that is not a template.
    """
    tokenizer = load_tokenizer(model)
    if template == "auto" and not own_templates(tokenizer):
        raise ConfigError(
            f"score.template: the tokenizer of '{model.name}' has no chat template; choose one of "
            f"{', '.join(SHIPPED)}."
        )
    source = load_template(template, tokenizer).source
    if template == "auto":
        return "its own template"
    return f"template {template} {hashlib.sha256(source.encode()).hexdigest()[:16]}"


def number_type(model: ModelSettings) -> str:
    """Such as ``float32``."""
    return str(dtype_of(model)).removeprefix("torch.")


def context_of(config: Any, max_length: int | None = None) -> int:
    """Tokens of a row at most: ``max_length``, but no more than the model can read."""
    context = int(getattr(config, "max_position_embeddings", None) or 1 << 30)
    return min(context, max_length or context)


def size_of(model: ModelSettings) -> int:
    """How many weights the model has besides those of its vocabulary."""
    config = config_of(model)
    from transformers import AutoModelForCausalLM

    return weights_of(
        lambda: AutoModelForCausalLM.from_config(config, trust_remote_code=model.trust_remote_code)
    )
