"""Where chat templates come from: the shipped ones, and those that a tokenizer brings."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import TYPE_CHECKING

from handpicked.errors import ConfigError, TrainingError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SHIPPED = ("alpaca", "chatml", "plain", "vicuna")
FALLBACK = "alpaca"
"""What ``auto`` is for a tokenizer without a template: the one that this family of papers trains with."""
DEFAULT = "default"


def own_templates(tokenizer: PreTrainedTokenizerBase) -> Mapping[str, str]:
    """The chat templates that a tokenizer brings, by name; one without a name is ``default``."""
    found = tokenizer.chat_template
    if isinstance(found, str):
        return {DEFAULT: found}
    return dict(found or {})


def own_template(tokenizer: PreTrainedTokenizerBase) -> str | None:
    """The tokenizer's own chat template: the only one it has, or of several the one named
    ``default``; None: it has none.

    Raises ConfigError where there are several and none is the default.
    """
    own = own_templates(tokenizer)
    if len(own) > 1 and DEFAULT not in own:
        raise ConfigError(
            f"This model's tokenizer has the chat templates {', '.join(sorted(own))} and none "
            f"named {DEFAULT}: name the one to "
            "use as the template."
        )
    return own.get(DEFAULT) or next(iter(own.values()), None)


def shipped_template(name: str, tokenizer: PreTrainedTokenizerBase) -> str:
    """The shipped template of that name. Raises TrainingError where the tokenizer lacks the token that ends
    its responses.
    """
    source = (files("handpicked.models") / "templates" / f"{name}.jinja").read_text(encoding="utf-8")
    if "eos_token" in source and tokenizer.eos_token is None:
        raise TrainingError(
            "This model's tokenizer names no end-of-text token (eos_token), with "
            f"which the template '{name}' ends a "
            "response: a model trained this way would never learn to stop. Name one of "
            "its tokens as eos_token in its "
            "tokenizer_config.json, or choose a model whose tokenizer has one."
        )
    return source
