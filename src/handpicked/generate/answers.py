"""The answers of one arm to the evaluation prompts, in resumable parts.

An answer ends at the template's end-of-text token or at one of the model's own end tokens; the padding token
ends nothing (in many models it is the same token). The text is what comes before that token, without
surrounding white space.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from handpicked.config import GenerateSettings
from handpicked.errors import ConfigError, Refused
from handpicked.models.load import load_model
from handpicked.models.served import ArmModel, Served
from handpicked.models.template import Template, model_template
from handpicked.progress import SILENT, Progress
from handpicked.records import Completion, Prompt
from handpicked.store.versions import LANGUAGE_MODEL
from handpicked.workers import THIS_MACHINE, THIS_PROCESS, Part, Work, Workers
from handpicked.workers.records import records_of


@dataclass(frozen=True)
class GenerationRequest:
    """A prompt as token ids."""

    prompt_id: str
    ids: list[int]


# Takes the requests of one batch and a seed; gives the new token ids of each, including any after an end
# token included.
Engine = Callable[[Sequence[GenerationRequest], int], list[list[int]]]


def generate(
    prompts: Sequence[Prompt],
    arm: ArmModel,
    settings: GenerateSettings,
    out_file: Path,
    *,
    name: str,
    workers: Workers = THIS_MACHINE,
    progress: Progress = SILENT,
    served: Callable[[], Served] | None = None,
) -> list[Completion]:
    """Answer every prompt, in the order of ``prompts``; ``out_file`` has the answers when all are there. The
    work goes in parts of about 64 prompts, by ``workers``; what a kill leaves is kept beside ``out_file``.

    ``name`` is the arm's. Greedy answers do not depend on the other prompts of their batch; sampled ones
    depend on the seed and on which prompts share a batch, and stay the same over a kill and on any devices,
    because the batches do. Answers already in ``out_file`` are kept. ``served`` reaches the vLLM server that
    has the model, where there is one; it is called only where answers are missing.

    Raises ConfigError for prompts that leave no room to answer in, or a prompt_id that is given twice;
    Refused, naming the prompt, for one that the template refuses; MissingPart, ConfigError as loading the
    model does; StoreError for a file that cannot be written.
    """
    text_of = model_template(arm.template, arm.model)
    requests = [_request(prompt, text_of, settings.thinking) for prompt in prompts]
    _refuse_duplicates(requests)
    # Longest prompts first, prompts of like length together. Ties break by prompt_id, so batches never
    # change.
    order = sorted(requests, key=lambda request: (-len(request.ids), request.prompt_id))
    task = Answering(name, order, arm, settings, served)
    if settings.engine == "vllm":  # it takes all devices itself
        workers = THIS_PROCESS
    ids = [request.prompt_id for request in order]
    found = records_of(task, ids, settings.batch_size, Completion, out_file, workers, progress)
    done = {answer.prompt_id: answer for answer in found}
    return [done[request.prompt_id] for request in requests]


@dataclass(frozen=True)
class Answering:
    """Answers of an arm, as a task in parts of its requests."""

    arm_name: str
    requests: Sequence[GenerationRequest]
    arm: ArmModel
    settings: GenerateSettings
    served: Callable[[], Served] | None = None
    items: str = "prompts"

    @property
    def name(self) -> str:
        """See ``workers.Task``."""
        return f"generate {self.arm_name}"

    @property
    def libraries(self) -> Sequence[str]:
        """See ``workers.Task``."""
        return LANGUAGE_MODEL

    def open(self) -> Work:
        """See ``workers.Task``."""
        template = model_template(self.arm.template, self.arm.model)
        if self.served is None:
            return AnsweringWork(self, template)
        from handpicked.generate.served import ServedAnswering

        return ServedAnswering(self, template, self.served)


@dataclass
class AnsweringWork:
    """Answers in one worker."""

    task: Answering
    template: Template

    def read(self, part: Part) -> Sequence[GenerationRequest]:
        """See ``workers.Work``."""
        return self.task.requests[part.first : part.end]

    def compute(self, ready: Sequence[GenerationRequest], step: Callable[[float], None]) -> pa.Table:
        """See ``workers.Work``."""
        size = self.task.settings.batch_size
        answers: list[Completion] = []
        for at in range(0, len(ready), size):
            engine, ends = self._engine
            batch = ready[at : at + size]
            new = engine(batch, batch_seed(self.task.settings.seed, batch))
            answers += [
                completion(self.task.arm_name, request.prompt_id, ids, ends, self.template)
                for request, ids in zip(batch, new, strict=True)
            ]
            step(len(batch))
        return pa.Table.from_pylist([asdict(answer) for answer in answers], ANSWERS)

    @cached_property
    def _engine(self) -> tuple[Engine, frozenset[int]]:
        task = self.task
        return _engine(task.arm, task.settings, self.template)


ANSWERS = pa.schema(
    [
        ("arm", pa.string()),
        ("prompt_id", pa.string()),
        ("text", pa.large_string()),
        ("tokens", pa.int64()),
        ("finished", pa.bool_()),
    ]
)
"""A part: the fields of ``Completion``."""


def _request(prompt: Prompt, template: Template, thinking: bool) -> GenerationRequest:
    try:
        return GenerationRequest(prompt.prompt_id, template.encode_prompt(prompt.messages, thought=thinking))
    except Refused as error:
        why = f"{error.reason} (prompt {prompt.prompt_id} of {prompt.test_set}, {prompt.text[:60]!r})"
        raise Refused(template.name, why) from error


def _engine(arm: ArmModel, settings: GenerateSettings, template: Template) -> tuple[Engine, frozenset[int]]:
    """The engine that the settings name, and the tokens at which an answer ends."""
    if settings.engine == "vllm":
        from handpicked.generate.vllm_engine import vllm_engine

        return vllm_engine(arm.model, arm.adapter, settings, template)
    from handpicked.generate.transformers_engine import transformers_engine

    return transformers_engine(load_model(arm.model, adapter=arm.adapter), settings, template)


def completion(
    arm: str, prompt_id: str, ids: Sequence[int], ends: frozenset[int], template: Template
) -> Completion:
    """The answer before the first end token; without one it is unfinished. ``tokens``
    leaves the end token out.
    """
    at = next((place for place, token in enumerate(ids) if token in ends), None)
    answer = list(ids if at is None else ids[:at])
    text = str(template.tokenizer.decode(answer, skip_special_tokens=True)).strip()
    return Completion(arm, prompt_id, text, len(answer), at is not None)


def batch_seed(seed: int, batch: Sequence[GenerationRequest]) -> int:
    """The seed of a batch that is sampled."""
    return random.Random(f"{seed} {batch[0].prompt_id}").getrandbits(31)


def _refuse_duplicates(requests: Sequence[GenerationRequest]) -> None:
    seen: set[str] = set()
    for request in requests:
        if request.prompt_id in seen:
            raise ConfigError(
                f"The prompt {request.prompt_id} occurs twice; answers are joined by prompt_id. Remove one."
            )
        seen.add(request.prompt_id)


def refuse_long(requests: Sequence[GenerationRequest], context: int, new: int) -> None:
    """Raise ConfigError when a prompt and ``new`` tokens of answer exceed the model's ``context`` in tokens."""
    long = [request for request in requests if len(request.ids) + new > context]
    if long:
        worst = max(long, key=lambda request: len(request.ids))
        raise ConfigError(
            f"{len(long)} prompts leave no room for {new} new tokens in this model's context of "
            f"{context} tokens (the longest, "
            f"{worst.prompt_id}, has {len(worst.ids)}). Lower "
            "evaluate.generate.max_new_tokens or remove these prompts."
        )
