"""Judged prompts for a person to read, with every answer and every raw review."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from handpicked.records import Completion, Prompt, Verdict
from handpicked.results.sections.samples import Rival, Sample, SampleAnswer, SampleVerdict
from handpicked.statistics.health import Health

MOST_CHARACTERS = 6_000_000
"""Of prompts, answers and replies together: what a browser still opens at once.
Beyond it prompts are left out.
"""


def samples(
    verdicts: Sequence[Verdict],
    prompts: Sequence[Prompt],
    completions: Sequence[Completion],
    candidate: str,
    judge: Health | None,
) -> tuple[Sample, ...]:
    """Judged prompts for reading, with the candidate's answer and every rival's.

    All of them, in the order of a hash of the prompt (blind to the outcome, and the same on every machine),
    up to ``MOST_CHARACTERS``.
    """
    judged: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        if judge and verdict.a == candidate:
            judged.setdefault(verdict.prompt_id, []).append(verdict)
    texts = {(completion.arm, completion.prompt_id): completion for completion in completions}
    by_id = {prompt.prompt_id: prompt for prompt in prompts}
    found: list[Sample] = []
    room = MOST_CHARACTERS
    for prompt_id in sorted(judged, key=_draw):
        sample = Sample(
            prompt_id=prompt_id,
            test_set=by_id[prompt_id].test_set,
            prompt=by_id[prompt_id].text,
            reference=by_id[prompt_id].reference,
            answer=_answer(texts.get((candidate, prompt_id))),
            rivals=tuple(
                Rival(
                    rival,
                    _answer(texts.get((rival, prompt_id))),
                    tuple(_verdict(v) for v in judged[prompt_id] if v.b == rival),
                )
                for rival in dict.fromkeys(v.b for v in judged[prompt_id])
            ),
        )
        room -= _characters(sample)
        if room < 0 and found:
            break
        found.append(sample)
    return tuple(found)


def _characters(sample: Sample) -> int:
    answers = [sample.answer, *(rival.answer for rival in sample.rivals)]
    replies = [
        review.raw for rival in sample.rivals for verdict in rival.verdicts for review in verdict.reviews
    ]
    texts = [sample.prompt, sample.reference or "", *(one.text for one in answers if one), *replies]
    return sum(map(len, texts))


def _verdict(verdict: Verdict) -> SampleVerdict:
    return SampleVerdict(verdict.judge, verdict.strict, verdict.summed, verdict.reviews)


def _draw(prompt_id: str) -> str:
    return blake2b(f"samples {prompt_id}".encode(), digest_size=8).hexdigest()


def _answer(completion: Completion | None) -> SampleAnswer | None:
    if completion is None:
        return None
    return SampleAnswer(completion.text, completion.tokens, completion.finished)
