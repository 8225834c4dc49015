"""The answers of one arm to the evaluation prompts, saved as they come, so that generation can resume.

An answer ends at the template's end-of-text token or at one of the model's own end tokens; the padding token
ends nothing (in many models it is the same token). The text is what stands before that token, without
surrounding white space.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from handpicked.config import GenerateSettings, ModelSettings
from handpicked.errors import ConfigError, Refused
from handpicked.models.load import load_model, load_tokenizer
from handpicked.models.template import Template, load_template
from handpicked.progress import SILENT, Progress
from handpicked.records import Completion, Prompt
from handpicked.store.journal import append, recover


@dataclass(frozen=True)
class GenerationRequest:
    """A prompt as token ids."""

    prompt_id: str
    ids: list[int]


# Takes the requests of one batch and a seed; gives the new token ids of each, whatever comes after an end
# token included.
Engine = Callable[[Sequence[GenerationRequest], int], list[list[int]]]


def generate(
    prompts: Sequence[Prompt],
    model: ModelSettings,
    adapter: Path | None,
    settings: GenerateSettings,
    template: str,
    out_file: Path,
    *,
    arm: str,
    progress: Progress = SILENT,
) -> list[Completion]:
    """Answer every prompt, in the order of ``prompts``. Each answer is on the disk, in
    ``out_file``, before the next batch.

    ``template`` must be the one the arm was trained with (``auto`` for the base model). Greedy answers do not
    depend on the other prompts of their batch; sampled ones depend on the seed and on which prompts share a
    batch, and stay the same over a kill, because the batches do. Answers already in ``out_file`` are kept and
    not made again.

    Raises ConfigError for prompts that leave no room to answer in, or a prompt_id that is given twice;
    Refused, naming the prompt, for one that the template refuses; MissingPart, ConfigError as loading the
    model does; StoreError for a file that cannot be written.
    """
    tokenizer = load_tokenizer(model)
    text_of = load_template(template, tokenizer)
    requests = [_request(prompt, text_of, settings.thinking) for prompt in prompts]
    _refuse_duplicates(requests)
    done = {record["prompt_id"]: Completion(**record) for record in recover(out_file)}
    batches = [b for b in _batches(requests, settings.batch_size) if any(r.prompt_id not in done for r in b)]
    with progress(f"generate {arm}", total=len(requests)) as step:
        step(sum(request.prompt_id in done for request in requests))
        if batches:
            engine, ends = _engine(model, adapter, settings, text_of)
        for batch in batches:
            new = engine(batch, _batch_seed(settings.seed, batch))
            answers = [
                _completion(arm, r.prompt_id, ids, ends, text_of) for r, ids in zip(batch, new, strict=True)
            ]
            fresh = [answer for answer in answers if answer.prompt_id not in done]
            append(out_file, fresh)
            done |= {answer.prompt_id: answer for answer in fresh}
            step(len(fresh))
    return [done[request.prompt_id] for request in requests]


def _request(prompt: Prompt, template: Template, thinking: bool) -> GenerationRequest:
    try:
        return GenerationRequest(prompt.prompt_id, template.encode_prompt(prompt.messages, thought=thinking))
    except Refused as error:
        why = f"{error.reason} (prompt {prompt.prompt_id} of {prompt.test_set}, {prompt.text[:60]!r})"
        raise Refused(template.name, why) from error


def _engine(
    model: ModelSettings, adapter: Path | None, settings: GenerateSettings, template: Template
) -> tuple[Engine, frozenset[int]]:
    """The engine that the settings name, and the tokens at which an answer ends."""
    if settings.engine == "vllm":
        from handpicked.generate.vllm_engine import vllm_engine

        return vllm_engine(model, adapter, settings, template)
    from handpicked.generate.transformers_engine import transformers_engine

    return transformers_engine(load_model(model, adapter=adapter), settings, template)


def _completion(
    arm: str, prompt_id: str, ids: Sequence[int], ends: frozenset[int], template: Template
) -> Completion:
    """The answer before the first end token; without one it is unfinished. ``tokens``
    leaves the end token out.
    """
    at = next((place for place, token in enumerate(ids) if token in ends), None)
    answer = list(ids if at is None else ids[:at])
    text = str(template.tokenizer.decode(answer, skip_special_tokens=True)).strip()
    return Completion(arm, prompt_id, text, len(answer), at is not None)


def _batches(requests: Sequence[GenerationRequest], size: int) -> Iterator[Sequence[GenerationRequest]]:
    """Longest prompts first, prompts of like length together. Ties break by
    prompt_id, so batches never change.
    """
    order = sorted(requests, key=lambda request: (-len(request.ids), request.prompt_id))
    for at in range(0, len(order), size):
        yield order[at : at + size]


def _batch_seed(seed: int, batch: Sequence[GenerationRequest]) -> int:
    return random.Random(f"{seed} {batch[0].prompt_id}").getrandbits(31)


def _refuse_duplicates(requests: Sequence[GenerationRequest]) -> None:
    seen: set[str] = set()
    for request in requests:
        if request.prompt_id in seen:
            raise ConfigError(
                f"The prompt {request.prompt_id} is there twice; answers are joined by prompt_id. Remove one."
            )
        seen.add(request.prompt_id)


def refuse_long(requests: Sequence[GenerationRequest], context: int, new: int) -> None:
    """Raise ConfigError when a prompt and ``new`` tokens of answer exceed the
    model's ``context`` in tokens.
    """
    long = [request for request in requests if len(request.ids) + new > context]
    if long:
        worst = max(long, key=lambda request: len(request.ids))
        raise ConfigError(
            f"{len(long)} prompts leave no room for {new} new tokens in this model's context of "
            f"{context} tokens (the longest, "
            f"{worst.prompt_id}, has {len(worst.ids)}). Lower "
            "evaluate.generate.max_new_tokens or remove these prompts."
        )
