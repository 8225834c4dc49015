"""A local model as judge, without a server: the probabilities of the next token."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from handpicked.config import JudgeSettings, ModelSettings
from handpicked.endpoint import Reply, Request
from handpicked.errors import ConfigError
from handpicked.judges.folder import JudgeFolder
from handpicked.models.bundled import PREFIX
from handpicked.models.load import load_model, load_tokenizer
from handpicked.models.template import load_template
from handpicked.progress import Progress

SHOWN = 20


def runs_here(settings: JudgeSettings) -> bool:
    """Whether the judge's model is a bundled one or a folder, and no endpoint or server is named."""
    name = settings.model or ""
    return (
        settings.base_url is None
        and settings.server is None
        and (name.startswith(PREFIX) or (bool(name) and Path(name).expanduser().is_dir()))
    )


def local_replies(
    requests: Sequence[Request], judge: JudgeFolder, settings: JudgeSettings, progress: Progress, label: str
) -> list[Reply]:
    """One reply a request: the most likely next token and its strongest rivals, by one forward pass each.

    Equal requests are computed once. Raises ConfigError for a judge that must write text: that needs a
    server.
    """
    if judge.reads != "letters":
        raise ConfigError(
            f"The judge '{judge.name}' reads written text, so {settings.model} would "
            "have to be served for that: set server: auto, give "
            f"base_url, or use letter-probability, which needs one forward pass a review."
        )
    import torch

    name = ModelSettings(name=settings.model or "")
    tokenizer, model = load_tokenizer(name), load_model(name)
    template = load_template("auto", tokenizer)
    model.eval()
    found: dict[Request, Reply] = {}
    with progress(label, len(requests)) as step, torch.inference_mode():
        for request in requests:
            if request not in found:
                started = time.perf_counter()
                text = template.prompt(request.messages)
                ids = tokenizer(text, return_tensors="pt", add_special_tokens=False).input_ids.to(
                    model.device
                )
                logits = model(input_ids=ids, logits_to_keep=1).logits[0, -1].float()
                top = torch.log_softmax(logits, dim=-1).topk(SHOWN)
                logprobs: dict[str, float] = {}
                for token, logprob in zip(top.indices.tolist(), top.values.tolist(), strict=True):
                    logprobs.setdefault(
                        str(tokenizer.decode([token])), logprob
                    )  # the likelier of equal spellings
                seconds = round(time.perf_counter() - started, 4)
                found[request] = Reply(next(iter(logprobs)), None, ids.shape[1], 1, seconds, 0.0, (logprobs,))
            step(1)
    return [found[request] for request in requests]
