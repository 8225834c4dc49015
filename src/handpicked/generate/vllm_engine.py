"""Generation by vLLM, with the same prompts as token ids and the same end tokens."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from handpicked.config import GenerateSettings, ModelSettings
from handpicked.errors import MissingPart
from handpicked.generate.answers import Engine, GenerationRequest, refuse_long
from handpicked.models.load import dtype_of, pinned, resolve
from handpicked.models.pickles import checked_adapter
from handpicked.models.served.process import HOW
from handpicked.models.template import Template


def vllm_engine(
    model: ModelSettings, adapter: Path | None, settings: GenerateSettings, template: Template
) -> tuple[Engine, frozenset[int]]:
    """An engine over vLLM, and its end tokens. Raises MissingPart where vLLM is not installed."""
    try:
        from vllm import LLM, SamplingParams
        from vllm.lora.request import LoRARequest
    except ImportError:
        raise MissingPart(
            f"evaluate.generate.engine is vllm, which is not installed in this environment. {HOW}"
        ) from None
    llm = LLM(
        model=str(resolve(model)),
        revision=pinned(model),
        trust_remote_code=model.trust_remote_code,
        load_format="safetensors",  # never a pickle, which could run any code
        dtype=str(dtype_of(model)).removeprefix("torch."),
        enable_lora=adapter is not None,
        max_lora_rank=256 if adapter is not None else 16,
        seed=settings.seed,
    )
    own: list[int] = llm.get_default_sampling_params().stop_token_ids or []
    ends = frozenset({template.end_id, template.tokenizer.eos_token_id, *own})
    lora = LoRARequest("arm", 1, str(checked_adapter(adapter))) if adapter is not None else None

    def engine(batch: Sequence[GenerationRequest], seed: int) -> list[list[int]]:
        refuse_long(batch, llm.llm_engine.model_config.max_model_len, settings.max_new_tokens)
        sampling = SamplingParams(
            max_tokens=settings.max_new_tokens,
            temperature=settings.temperature,
            top_p=settings.top_p,
            stop_token_ids=sorted(ends),
            seed=seed,
        )
        prompts = [{"prompt_token_ids": request.ids} for request in batch]
        outputs = llm.generate(prompts, sampling, lora_request=lora, use_tqdm=False)
        return [list(output.outputs[0].token_ids) for output in outputs]

    return engine, ends
