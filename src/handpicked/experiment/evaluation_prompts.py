"""The prompts that every arm answers: the test sets of the experiment, read, limited and checked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

from handpicked.config import PromptSettings
from handpicked.errors import PoolError
from handpicked.experiment.job import Job, OpenPool, read_test_set
from handpicked.experiment.planning.rendered import refusals, templates
from handpicked.experiment.references import references
from handpicked.records import Example, Prompt, messages_id, to_json
from handpicked.store import write_text


def evaluation_prompts(job: Job, opened: Mapping[str | None, OpenPool]) -> list[Prompt]:
    """Every evaluation prompt, in the file's order of test sets; a prompt in two test sets belongs to the
    first.
    """
    found: dict[str, Prompt] = {}
    for settings in job.experiment.evaluate.prompts:
        for prompt in _test_set(settings, opened[settings.pool].held_out):
            found.setdefault(prompt.prompt_id, prompt)
    for prompt_id in _refused(job, list(found.values())):
        del found[prompt_id]
    write_text(
        job.store.folder / "prompts.jsonl", "".join(to_json(prompt) + "\n" for prompt in found.values())
    )
    return list(found.values())


def _refused(job: Job, test_prompts: Sequence[Prompt]) -> list[str]:
    """The ids of the prompts that the chat template of any arm refuses; no arm answers them. Logged with the
    reason.

    Every template takes a lone user turn, so tokenizers are loaded only where there are other prompts.
    """
    unusual = [prompt for prompt in test_prompts if [message.role for message in prompt.messages] != ["user"]]
    reasons: dict[str, str] = {}
    for (model, name), template in (templates(job.lineup) if unusual else {}).items():
        for prompt, reason in refusals(unusual, template):
            reasons.setdefault(prompt.prompt_id, f"the chat template {name} of {model}: {reason}")
    lines = [json.dumps({"prompt_id": one, "reason": reason}) + "\n" for one, reason in reasons.items()]
    rejected = job.store.folder / "prompts-rejected.jsonl"
    rejected.unlink(missing_ok=True)
    if reasons:
        write_text(rejected, "".join(lines))
        one, reason = next(iter(reasons.items()))
        job.store.say(
            f"prompts: {len(reasons)} of {len(test_prompts)} are left out for every arm, because a chat "
            "template refuses them, such as "
            f"{one} ({reason}); all are in prompts-rejected.jsonl"
        )
    if test_prompts and len(reasons) == len(test_prompts):
        raise PoolError(
            f"Every evaluation prompt is refused by a chat template ({reason}). Set "
            "train.template to chatml, alpaca, vicuna "
            "or plain, or give other prompts."
        )
    return list(reasons)


def _test_set(settings: PromptSettings, held_out: Sequence[Example]) -> list[Prompt]:
    if settings.path is None:
        listed = [_held_out_prompt(example, settings.name) for example in held_out]
    else:
        listed = read_test_set(settings)
    if settings.limit is not None and settings.limit < len(listed):
        chosen = set(
            sorted(prompt.prompt_id for prompt in listed)[: settings.limit]
        )  # a hash: as good as shuffled
        listed = [prompt for prompt in listed if prompt.prompt_id in chosen]
    if settings.references is not None:
        known = references(settings.references)
        listed = [replace(p, reference=p.reference or known.get(p.prompt_id)) for p in listed]
    return listed if settings.suffix is None else [_followed(p, settings.suffix) for p in listed]


def _followed(prompt: Prompt, suffix: str) -> Prompt:
    """The prompt with ``suffix`` at the end of its last turn: another prompt, so its id is another."""
    last = prompt.messages[-1]
    given = f"{last.input} {suffix}" if last.input else ""
    messages = (*prompt.messages[:-1], replace(last, content=f"{last.content} {suffix}", input=given))
    return replace(prompt, prompt_id=messages_id(messages), messages=messages)


def _held_out_prompt(example: Example, test_set: str) -> Prompt:
    before = example.messages[:-1]
    return Prompt(messages_id(before), before, test_set, reference=example.messages[-1].text)
