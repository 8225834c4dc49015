"""Rewrites the selected responses of a refinement arm by a chat model.

Long Is More (Zhao et al., 2024, arXiv 2402.04833) refines the longest responses by a chat model before
training on them. The prompt here is our own. A row without a usable new response is left out of the subset,
counted with its reason: with its old response the arm would be neither the one nor the other. Both texts of
every row are stored.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

from handpicked.config import RefineSettings
from handpicked.data.shapes import openai_turn
from handpicked.endpoint import Reply, Request, complete, default_cache
from handpicked.endpoint import estimate as estimate_requests
from handpicked.endpoint.cost import Expense
from handpicked.errors import ConfigError, EndpointError
from handpicked.progress import SILENT, Progress
from handpicked.records import Example, Json, Message, prompt_text
from handpicked.store import write_text

PLACES = ("{prompt}", "{response}")


@dataclass(frozen=True)
class Refined:
    """The outcome of a rewriting, in rows. ``cost`` is in US dollars, ``None`` where no prices are given.

    ``rows = rewritten + unchanged + the sum of left_out``, which counts the rows not trained on by reason.
    ``lost`` of these are so for a reason that may pass.
    """

    rows: int
    rewritten: int
    unchanged: int
    left_out: Mapping[str, int]
    cost: float | None
    lost: int = 0


def load_prompt(path: str | None) -> str:
    """The text with ``{prompt}`` and ``{response}`` in it, ours or the file's. Raises ConfigError
    where it lacks one of them.
    """
    if path is None:
        return (files("handpicked.experiment") / "refine.txt").read_text(encoding="utf-8")
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the prompt {path} cannot be read as text ({error}).") from error
    missing = [place for place in PLACES if place not in text]
    if missing:
        raise ConfigError(
            f"the prompt {path} does not hold {' and '.join(missing)}, so it would not show them."
        )
    return text


def rewrite(
    examples: Sequence[Example],
    settings: RefineSettings,
    out: Path,
    *,
    arm: str,
    cache: Path | None = None,
    progress: Progress = SILENT,
    earlier: Sequence[Json] = (),
) -> Refined:
    """Rewrite the final response of every example, into ``out/selected.jsonl`` (messages)
    and ``out/refined.jsonl``.

    ``refined.jsonl`` has a line a row: row, id, original, refined (null with a reason where the row is left
    out), cost, lost. ``earlier`` are such lines of these rows: those that are not lost are kept as they are.

    Replies already paid for come from ``cache`` (default: the user's one request cache), so a rewriting that
    was cut off goes on where it stopped. Raises EndpointError and MissingPart as ``endpoint.complete`` does,
    and EndpointError when not one response was rewritten.
    """
    template = load_prompt(settings.prompt)
    known = {line["row"]: line for line in earlier if not line["lost"]}
    pending = [example for example in examples if example.row not in known]
    requests = [_request(example, template, settings) for example in pending]
    replies = complete(requests, settings, cache or default_cache(), progress, label=f"refine {arm}")
    known |= {one.row: _line(one, reply, settings) for one, reply in zip(pending, replies, strict=True)}
    lines = [known[example.row] for example in examples]
    kept = [_kept(example, line) for example, line in zip(examples, lines, strict=True) if line["refined"]]
    left_out = Counter(line["reason"] for line in lines if line["reason"] is not None)
    if not kept:
        raise EndpointError(
            f"arm '{arm}': {settings.model} gave no usable response for any of "
            f"{len(examples)} rows ({dict(left_out)})."
        )
    for name, rows in (("refined.jsonl", lines), ("selected.jsonl", kept)):
        write_text(out / name, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    unchanged = sum(line["refined"] == line["original"] for line in lines)
    costs = [line["cost"] for line in lines if line["cost"] is not None]
    return Refined(
        len(examples),
        len(kept) - unchanged,
        unchanged,
        dict(left_out.most_common()),
        sum(costs) if costs else None,
        sum(line["lost"] for line in lines),
    )


def _line(example: Example, reply: Reply, settings: RefineSettings) -> dict[str, object]:
    """What came of a row, as ``refined.jsonl`` has it."""
    text, reason = _read(reply, settings)
    return {
        "row": example.row,
        "id": example.id,
        "original": example.messages[-1].content,
        "refined": text,
        "reason": reason,
        "cost": reply.cost,
        "lost": reply.lost,
    }


def _kept(example: Example, line: Json) -> Json:
    """The row with its new response, as it is trained on."""
    turns = [*example.messages[:-1], replace(example.messages[-1], content=line["refined"])]
    return {
        "messages": [
            {**openai_turn(turn), **({"input": turn.input} if turn.input else {})} for turn in turns
        ],
        "original_response": line["original"],
    }


def estimated(examples: Sequence[Example], settings: RefineSettings) -> Expense:
    """What the rewriting would take if nothing were in the cache."""
    template = load_prompt(settings.prompt)
    return estimate_requests([_request(example, template, settings) for example in examples], settings)


def _request(example: Example, template: str, settings: RefineSettings) -> Request:
    prompt, response = prompt_text(example.messages[:-1]), example.messages[-1].content
    longest = max((len(run) for text in (prompt, response) for run in re.findall("=+", text)), default=0)
    values = {"prompt": prompt, "response": response, "fence": "=" * max(8, longest + 1)}
    filled = re.sub(r"\{(\w+)\}", lambda match: values.get(match[1], match[0]), template)
    return Request((Message("user", filled),), settings.max_tokens, settings.temperature)


def _read(reply: Reply, settings: RefineSettings) -> tuple[str | None, str | None]:
    """The new response, or why there is none."""
    if reply.text is None:
        return None, reply.reason or "no reply"
    if not reply.finished:
        return None, f"cut at {settings.max_tokens} tokens"
    text = reply.text.strip()
    return (text, None) if text else (None, "an empty reply")
