"""Batch files as one command that is repeated: it writes and submits, then checks, then collects.

A folder holds the input files and ``batches.json``, which says what became of each. It is written before and
after a submission, so that a kill in between costs nothing: the batch is found again by its tag.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from handpicked.endpoint.batch import (
    batch_lines,
    collect_batch,
    find_batch,
    spoken_dialect,
    store_results,
    submit_batch,
)
from handpicked.endpoint.cache import ReplyCache, request_key
from handpicked.endpoint.cost import estimate, price
from handpicked.endpoint.refusals import learnt
from handpicked.endpoint.request import (
    Dialect,
    Endpoint,
    Reply,
    Request,
    base_url_of,
    encoded,
    key_of,
    payload,
)
from handpicked.endpoint.wire import Fault
from handpicked.errors import ConfigError, EndpointError, NotYet, StoreError
from handpicked.store import read_json, write_json, write_text

log = logging.getLogger(__name__)

MOST_REQUESTS, MOST_BYTES = 50_000, 190_000_000
"""OpenAI takes 50,000 requests and 200 MB a file."""
ROUNDS = 3
"""Batches that a request may fail in before it is given up."""
STATE = "batches.json"


@dataclass(slots=True)
class Batch:
    """One input file. ``id`` is the endpoint's name for it once it is submitted;
    ``open`` until it is collected.
    """

    file: str
    tag: str
    requests: int
    id: str = ""
    status: str = "written"
    open: bool = True


@dataclass(slots=True)
class State:
    """What is known of a folder's batches.

    ``asked`` is the digest of the requests they are for; ``rounds`` counts submissions; ``refused`` and
    ``failed`` hold what the endpoint said of requests, by cache key. ``tried`` are the dialects that its
    refusals led to, as text.
    """

    asked: str
    batches: list[Batch] = field(default_factory=list)
    rounds: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    tried: list[str] = field(default_factory=list)


def complete_batched(
    requests: Sequence[Request], settings: Endpoint, cache: Path, folder: Path
) -> list[Reply]:
    """One Reply a request, in order, once the batches in ``folder`` are done; only batches are sent.

    A request that expired or failed on the way is sent in another batch, three at most; one that the endpoint
    calls wrong is a Reply without text and with the reason. Where it refuses all of them because the model
    wants another name of the limit, or takes no such setting, they are sent in another batch as it wants
    them.

    Raises NotYet while batches are being worked on; MissingPart without a key; EndpointError when a batch is
    refused, or could cost more than ``max_cost``.
    """
    keys = _keys(requests, settings, cache)
    state = _load(folder, keys)
    _take_files(state, folder, cache)
    if any(batch.open and batch.status != "written" for batch in state.batches):
        _collect(state, settings, cache, folder)
    waiting = [batch for batch in state.batches if batch.open and batch.status != "written"]
    if waiting:
        states = ", ".join(f"{batch.id} {batch.status}" for batch in waiting)
        raise NotYet(
            f"Batches at {base_url_of(settings)} are not done: {states}. Run the same command again later."
        )
    if _learns(keys, requests, settings, cache, state, folder):
        return complete_batched(requests, settings, cache, folder)
    lines = _missing(requests, settings, cache, state)
    if lines and state.rounds < ROUNDS:
        key_of(settings)
        _refuse_expense(
            [r for k, r in dict(zip(keys, requests, strict=True)).items() if k in lines], settings
        )
        _write(state, lines, folder)
        _submit(state, settings, folder)
        sent = sum(batch.requests for batch in state.batches if batch.open)
        raise NotYet(
            f"{sent} requests were submitted to {base_url_of(settings)} as "
            f"{sum(batch.open for batch in state.batches)} batches, which may take a "
            "day. Run the same command again "
            f"later: it collects them and continues."
        )
    return _replies(keys, settings, cache, state)


def write_batched(requests: Sequence[Request], settings: Endpoint, cache: Path, folder: Path) -> list[Path]:
    """Only write the input files, for which no key is needed. ``complete_batched`` submits them.

    Whoever runs them elsewhere (vLLM's ``run_batch``) puts the output beside them as ``results*.jsonl``.
    """
    keys = _keys(requests, settings, cache)
    state = _load(folder, keys)
    _take_files(state, folder, cache)
    if _learns(keys, requests, settings, cache, state, folder):
        return write_batched(requests, settings, cache, folder)
    _write(state, _missing(requests, settings, cache, state), folder)
    return [folder / batch.file for batch in state.batches if batch.status == "written"]


def _keys(requests: Sequence[Request], settings: Endpoint, cache: Path) -> list[str]:
    url, spoken = base_url_of(settings), spoken_dialect(settings, cache)
    return [request_key(url, encoded(payload(request, settings, spoken))) for request in requests]


def _learns(
    keys: Sequence[str],
    requests: Sequence[Request],
    settings: Endpoint,
    cache: Path,
    state: State,
    folder: Path,
) -> bool:
    """Whether the endpoint refused every request and named the format that the model wants.

    Then the cache knows it, and the same requests have other keys. Each format is tried once, since
    contradictory refusals would otherwise cause batches without end.
    """
    said = next((state.refused[key] for key in keys if key in state.refused), None)
    with ReplyCache(cache) as store:
        if said is None or store.get(list(dict.fromkeys(keys))):
            return False
        spoken = spoken_dialect(settings, cache)
        found = learnt(Fault(said, said=said), spoken, requests[0])
        if found is None or _named(found) in state.tried:
            return False
        store.learn(base_url_of(settings), settings.model or "", found)
    log.warning("%s needs %s: %s", settings.model, _named(found), said)
    state.tried += [_named(spoken), _named(found)]
    _save(state, folder)
    return True


def _named(dialect: Dialect) -> str:
    return ", ".join((dialect.limit, *(f"no {name}" for name in dialect.left_out)))


def _load(folder: Path, keys: Sequence[str]) -> State:
    """What is known. Of other requests than last time, nothing has been tried yet;
    batches under way are collected.
    """
    asked = hashlib.blake2b("".join(sorted(set(keys))).encode(), digest_size=16).hexdigest()
    if not (folder / STATE).is_file():
        return State(asked)
    fields = read_json(folder / STATE)
    try:
        batches = [Batch(**batch) for batch in fields["batches"]]
        if fields["asked"] == asked:
            return State(**{**fields, "batches": batches})
        return State(asked, batches, tried=fields.get("tried", []))
    except (KeyError, TypeError) as error:
        raise StoreError(
            f"{folder / STATE} is not a state of batches ({error!r}), so what was submitted is "
            "not known. Restore it, or move "
            f"{folder} aside to submit anew (and pay again)."
        ) from error


def _save(state: State, folder: Path) -> None:
    write_json(folder / STATE, asdict(state), private=True)


def _take_files(state: State, folder: Path, cache: Path) -> None:
    """Results that somebody put into the folder."""
    for file in sorted(folder.glob("results*.jsonl")):
        stored, failed, refused = store_results(file.read_text(encoding="utf-8", errors="replace"), cache)
        state.failed |= failed
        state.refused |= refused
        log.info("%s: %d replies", file, stored)


def _collect(state: State, settings: Endpoint, cache: Path, folder: Path) -> None:
    """Check every open batch, and collect the finished ones."""
    for batch in state.batches:
        if not batch.open or batch.status == "written":
            continue
        if not batch.id and not _find(batch, settings):
            continue
        found = collect_batch(batch.id, settings, cache)
        batch.status, batch.open = found.status, found.waiting
        if found.waiting:
            batch.status = f"{found.status} ({found.done} of {batch.requests})"
            continue
        state.failed |= found.failed
        state.refused |= found.refused
        log.info(
            "batch %s: %s, %d replies, %d failed", batch.id, found.status, found.stored, len(found.failed)
        )
        _save(state, folder)
        if found.status == "failed":
            state.rounds -= 1  # nothing was tried
            _save(state, folder)
            raise EndpointError(
                f"{base_url_of(settings)} refused the batch {batch.id}: "
                f"{found.problem or 'it gives no reason'}. "
                f"Run the same command again to submit it anew."
            )
    _save(state, folder)


def _find(batch: Batch, settings: Endpoint) -> bool:
    """A batch that was being submitted when the process was killed: the endpoint knows
    whether it came that far.
    """
    found = find_batch(settings, batch.tag)
    if found is None:
        batch.status = "written"
        return False
    batch.id, batch.status = found, "submitted"
    return True


def _missing(requests: Sequence[Request], settings: Endpoint, cache: Path, state: State) -> dict[str, str]:
    """The input lines of what is neither cached nor refused."""
    lines = batch_lines(requests, settings, cache)
    return {key: line for key, line in lines.items() if key not in state.refused}


def _refuse_expense(requests: Sequence[Request], settings: Endpoint) -> None:
    """Compare the highest possible cost with the limit, since a running batch cannot be stopped."""
    expense, limit = estimate(requests, settings), settings.max_cost
    if limit is None:
        return
    if expense.high is None:
        raise ConfigError(
            "max_cost needs price_in and price_out (US dollars per million tokens) to be counted."
        )
    if expense.high > limit:
        raise EndpointError(
            f"{expense.requests} requests to {settings.model} could cost up to "
            f"{expense.high:.2f} US dollars, more than "
            f"max_cost = {limit:.2f}, and a batch cannot be stopped halfway. Nothing was sent."
        )


def _write(state: State, lines: dict[str, str], folder: Path) -> None:
    """Write the input files again: those that were written before and never submitted are replaced."""
    for old in [batch for batch in state.batches if batch.status == "written"]:
        (folder / old.file).unlink(missing_ok=True)
        state.batches.remove(old)
    for part in _parts(list(lines.values())):
        text = "".join(f"{line}\n" for line in part)
        name = f"requests-{len(state.batches) + 1:03d}.jsonl"
        write_text(folder / name, text, private=True)
        tag = hashlib.blake2b(f"{folder.resolve()}\0{text}".encode(), digest_size=16).hexdigest()
        state.batches.append(Batch(name, tag, len(part)))
    _save(state, folder)


def _parts(lines: list[str]) -> Iterator[list[str]]:
    part: list[str] = []
    size = 0
    for line in lines:
        if part and (len(part) == MOST_REQUESTS or size + len(line) >= MOST_BYTES):
            yield part
            part, size = [], 0
        part.append(line)
        size += len(line) + 1
    if part:
        yield part


def _submit(state: State, settings: Endpoint, folder: Path) -> None:
    from openai import APIConnectionError

    for batch in state.batches:
        if batch.status != "written":
            continue
        batch.status = "submitting"
        _save(state, folder)
        try:
            batch.id = submit_batch(folder / batch.file, settings, batch.tag)
        except EndpointError as error:
            if not isinstance(error.__cause__, APIConnectionError):  # else it may have come through
                batch.status = "written"
                _save(state, folder)
            raise
        batch.status = "submitted"
        _save(state, folder)
    state.rounds += 1
    _save(state, folder)


def _replies(keys: Sequence[str], settings: Endpoint, cache: Path, state: State) -> list[Reply]:
    with ReplyCache(cache) as store:
        held = store.get(list(dict.fromkeys(keys)))
    if keys and not held and state.refused:
        reason, count = Counter(state.refused.values()).most_common(1)[0]
        raise EndpointError(
            f"{base_url_of(settings)} refused every request of its batches ({count:,} times: "
            f"{reason}). Change what it names "
            f"(model, max_tokens, temperature, the key in {settings.key_env}); "
            "changed requests make a new batch."
        )
    found = []
    for key in keys:
        reply = held.get(key)
        if reply is None:
            lost = f"no reply from {state.rounds} batches ({state.failed.get(key, 'not delivered')})"
            found.append(Reply(None, state.refused.get(key, lost)))
        else:
            found.append(replace(reply, cost=price(reply.prompt_tokens, reply.reply_tokens, settings)))
    return found
