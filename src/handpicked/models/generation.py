"""The tokens at which a model's answers end, without loading its weights."""

from __future__ import annotations

from handpicked.config import ModelSettings
from handpicked.models.load import pinned, resolve
from handpicked.models.quiet import quiet


def end_tokens(model: ModelSettings, end_id: int) -> frozenset[int]:
    """``end_id``, the template's own, and those of the model's generation config (of its config where it has
    none). Raises ConfigError and MissingPart as ``resolve`` does.
    """
    place, options = resolve(model), {"revision": pinned(model)}
    from transformers import AutoConfig, GenerationConfig

    with quiet():
        try:
            own: int | list[int] | None = GenerationConfig.from_pretrained(place, **options).eos_token_id
        except OSError:
            config = AutoConfig.from_pretrained(place, trust_remote_code=model.trust_remote_code, **options)
            own = GenerationConfig.from_model_config(config).eos_token_id
    return frozenset({end_id, *([own] if isinstance(own, int) else own or [])})
