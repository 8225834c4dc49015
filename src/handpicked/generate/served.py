"""Generation by a vLLM server. Prompts and answers are token ids, so prompts are those of training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import pyarrow as pa

from handpicked.errors import EndpointError
from handpicked.generate.answers import (
    ANSWERS,
    GenerationRequest,
    batch_seed,
    completion,
    refuse_long,
)
from handpicked.models.generation import end_tokens
from handpicked.models.served import Served
from handpicked.models.template import Template
from handpicked.workers import Part

if TYPE_CHECKING:
    from handpicked.generate.answers import Answering


@dataclass
class ServedAnswering:
    """Answers of an arm's part by a server, which makes its own batches of all its prompts."""

    task: Answering
    template: Template
    reach: Callable[[], Served]
    _seeds: dict[str, int] = field(default_factory=dict)

    def read(self, part: Part) -> Sequence[GenerationRequest]:
        """See ``workers.Work``."""
        requests, size = self.task.requests[part.first : part.end], self.task.settings.batch_size
        for at in range(0, len(requests), size):
            batch = requests[at : at + size]
            seed = batch_seed(self.task.settings.seed, batch)  # that of vLLM in this process
            self._seeds |= {request.prompt_id: seed for request in batch}
        return requests

    def compute(self, ready: Sequence[GenerationRequest], step: Callable[[float], None]) -> pa.Table:
        """See ``workers.Work``."""
        refuse_long(ready, self._served.context, self.task.settings.max_new_tokens)
        choices = self._served.complete([self._body(request) for request in ready], step)
        answers = [
            completion(self.task.arm_name, request.prompt_id, self._ids(choice), self._ends, self.template)
            for request, choice in zip(ready, choices, strict=True)
        ]
        return pa.Table.from_pylist([asdict(answer) for answer in answers], ANSWERS)

    @cached_property
    def _served(self) -> Served:
        return self.reach()

    @cached_property
    def _ends(self) -> frozenset[int]:
        return end_tokens(self.task.arm.model, self.template.end_id)

    def _body(self, request: GenerationRequest) -> dict[str, object]:
        """Every setting is sent: a server may have others by default, of the model's generation config."""
        settings = self.task.settings
        return {
            "prompt": request.ids,
            "max_tokens": settings.max_new_tokens,
            "temperature": settings.temperature,
            "top_p": settings.top_p,
            "top_k": -1,
            "min_p": 0.0,
            "repetition_penalty": 1.0,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "seed": self._seeds[request.prompt_id],
            "stop_token_ids": sorted(self._ends),
            "return_token_ids": True,
        }

    def _ids(self, choice: dict[str, object]) -> list[int]:
        """The new tokens, the end token included where there is one."""
        ids = choice.get("token_ids")
        if not isinstance(ids, list):
            raise EndpointError(
                f"vLLM at {self._served.client.url} gives no token ids: it needs release 0.10.2 or later."
            )
        ended = choice.get("finish_reason") == "stop" and not self._ends.intersection(ids)
        return [*ids, min(self._ends)] if ended else ids
