"""Generation by transformers, in batches padded on the left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from handpicked.config import GenerateSettings
from handpicked.generate.answers import Engine, GenerationRequest, refuse_long
from handpicked.models.template import Template

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def transformers_engine(
    model: PreTrainedModel, settings: GenerateSettings, template: Template
) -> tuple[Engine, frozenset[int]]:
    """An engine over a loaded ``model``, and its end tokens: the template's and those of the
    model's generation config.
    """
    import torch
    from transformers import GenerationConfig, set_seed

    own: int | list[int] | None = model.generation_config.eos_token_id
    ends = frozenset({template.end_id, *([own] if isinstance(own, int) else own or [])})
    pad = template.tokenizer.pad_token_id
    sampling = {"do_sample": True, "temperature": settings.temperature, "top_p": settings.top_p, "top_k": 0}
    config = GenerationConfig(
        max_new_tokens=settings.max_new_tokens,
        eos_token_id=sorted(ends),
        pad_token_id=pad,
        **(sampling if settings.temperature > 0 else {"do_sample": False}),
    )
    # A model's own config may set sampling or penalties that were not requested here.
    model.generation_config = config

    def engine(batch: Sequence[GenerationRequest], seed: int) -> list[list[int]]:
        refuse_long(batch, getattr(model.config, "max_position_embeddings", 1 << 30), settings.max_new_tokens)
        set_seed(seed)
        width = max(len(request.ids) for request in batch)
        gaps = [width - len(request.ids) for request in batch]
        ids = torch.tensor([[pad] * gap + request.ids for gap, request in zip(gaps, batch, strict=True)])
        mask = torch.tensor([[0] * gap + [1] * (width - gap) for gap in gaps])
        with torch.inference_mode():
            out = model.generate(
                input_ids=ids.to(model.device), attention_mask=mask.to(model.device), generation_config=config
            )
        new: list[list[int]] = out[:, width:].tolist()
        return new

    return engine, ends
