"""The records that stages exchange. No IO, no torch; Arrow only in annotations.

Everything joins on ``row`` (position in the pool) or on ``prompt_id`` (hash of the prompt), never on the
position in some file. A value that cannot be computed is ``None`` with a reason; it is never 0, -1 or a
default.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from handpicked.parts import thought_and_answer

if TYPE_CHECKING:
    import pyarrow as pa
    from xxhash import xxh3_128

Json = dict[str, Any]
"""A JSON object that we wrote ourselves or asked for, whose reader knows the types of its fields. A row or a
reply that anybody may have written is a ``Mapping[str, object]``, and its reader looks.
"""
Turns = Literal["last", "all"]
Runner = Literal["native", "ray"]
"""Where rows are read and scored: in this process, or on a Ray cluster."""
Outcome = Literal["win", "tie", "lose", "unparsed"]
Preference = Literal["first", "second", "tie"]
Better = Literal["high", "low", "none"]
Cost = Literal["text", "embedding", "model forward", "model backward", "paid API"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a tool that an assistant's turn makes. ``arguments`` is JSON text, or any other text that the
    row has there.

    ``quoted`` says that the row holds the arguments as a text, as OpenAI does, and not as an object.
    """

    name: str
    arguments: str
    id: str = ""
    quoted: bool = field(default=True, compare=False)

    @property
    def text(self) -> str:
        """The call as one JSON object with its name and arguments; arguments that are
        no JSON are a JSON string.
        """
        try:
            json.loads(self.arguments)
        except (ValueError, RecursionError):
            return f'{{"name": {json.dumps(self.name, ensure_ascii=False)}, "arguments": {json.dumps(self.arguments, ensure_ascii=False)}}}'
        return f'{{"name": {json.dumps(self.name, ensure_ascii=False)}, "arguments": {self.arguments}}}'


@dataclass(frozen=True, slots=True)
class Message:
    """All that one turn says. ``role`` is system, user, assistant or tool; ``content`` its text.

    ``input`` is the further input of an instruction, where the row has a field for it: the end of
    ``content``, after the instruction and a blank line. It changes neither the turn's identity nor its text.

    ``reasoning`` is a thought that the row keeps apart from the content (one inside the content stays there,
    see ``thought``), ``calls`` the tools that the turn calls, ``call_id`` the call whose result it is,
    ``name`` who speaks (a tool, a participant). ``weight`` 0 makes an assistant's turn context: nothing is
    learned from it. ``tools`` is the JSON text of the tools that the conversation declares, on its first
    turn.
    """

    role: str
    content: str
    input: str = field(default="", compare=False)
    reasoning: str = ""
    calls: tuple[ToolCall, ...] = ()
    call_id: str = ""
    name: str = ""
    weight: float | None = None
    tools: str = ""

    @property
    def instruction(self) -> str:
        """``content`` without its ``input``."""
        return self.content.removesuffix(self.input).removesuffix("\n\n") if self.input else self.content

    @property
    def learned(self) -> bool:
        """Whether it is an assistant's turn that a model learns."""
        return self.role == "assistant" and self.weight != 0

    @property
    def text(self) -> str:
        """All that the turn says as one text: its thought between ``<think>`` and ``</think>``, its
        content, its calls, one a line.
        """
        if not self.reasoning and not self.calls:
            return self.content
        calls = "\n".join(call.text for call in self.calls)
        said = "\n".join(part for part in (self.content, calls) if part)
        return f"<think>\n{self.reasoning}\n</think>\n\n{said}" if self.reasoning else said

    @property
    def thought(self) -> str:
        """The turn's thought before its answer, in either place where a row may have it."""
        inside = thought_and_answer(self.content)[0]
        return "\n".join(part for part in (self.reasoning, inside) if part)

    @property
    def answer(self) -> str:
        """The content without the thought in it. Calls are not part of it."""
        return thought_and_answer(self.content)[1]

    def fields(self) -> Json:
        """Its fields for a file: role, content and input, and of the others those that it uses."""
        plain = {"role": self.role, "content": self.content, "input": self.input}
        more = {name: getattr(self, name) for name in _FURTHER}
        return plain | {name: value for name, value in more.items() if value not in ("", (), None)}

    @staticmethod
    def of(fields: Json) -> Message:
        """The message whose ``fields`` these are, as read from a file."""
        calls = tuple(ToolCall(**call) for call in fields.get("calls", ()))
        return Message(**{**fields, "calls": calls})


_FURTHER = ("reasoning", "calls", "call_id", "name", "weight", "tools")


@dataclass(frozen=True, slots=True)
class Example:
    """One demonstration of a pool.

    ``row`` is its position in the pool, the key everything joins on; ``id`` is the hash of its messages,
    equal for exact duplicates. ``prompt`` and ``response`` are texts derived from the messages by the rule of
    ``turns``: under ``last`` the response is the final assistant turn that is learned and the prompt
    everything before it; under ``all`` the response is every such turn, joined by blank lines. The response
    is all that a model must write: ``Message.text``, with thought and tool calls. ``original`` is the row as
    it came, untouched.
    """

    row: int
    id: str
    messages: tuple[Message, ...]
    prompt: str
    response: str
    source: str
    original: Mapping[str, object]


class Shard(Protocol):
    """A contiguous run of a pool's rows that one worker reads. Picklable, so that it
    may travel to another host.

    ``first_row`` is the pool row of its first row; ``rows`` counts its rows, rejected ones included.
    """

    @property
    def first_row(self) -> int: ...

    @property
    def rows(self) -> int: ...

    def read(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Its readable rows in order, in batches of bounded size.

        ``columns`` names any of: row (int64), id (string, 32 hex digits), prompt, response,
        thought, answer (large_string), source (string), messages (list of role and content), turn_roles
        and tool_turns (see ``data.turn_columns``), and any column of the original rows by its own name. Rows
        that cannot be read are left out; ``Pool.rejected`` lists them.
        """
        ...


AtHand = Callable[[Sequence[int]], "Iterator[pa.Table] | None"]
"""Rows (ascending) as they came, in order, or ``None`` where they must be read."""


class Pool(Protocol):
    """A supervised fine-tuning data set that has been recognised and can be
    streamed. ``data.read`` makes one.

    ``format`` is the recognised row format and ``why`` one sentence saying how it was recognised.
    """

    @property
    def format(self) -> str: ...

    @property
    def why(self) -> str: ...

    @property
    def rows(self) -> int: ...

    @property
    def shards(self) -> Sequence[Shard]: ...

    def examples(self, rows: Sequence[int] | None = None) -> Iterator[Example]:
        """The readable rows as Examples in pool order; ``rows`` (ascending) restricts them."""
        ...

    def rejected(self) -> Iterator[Rejected]:
        """Every row that could not be read, in pool order: where and why."""
        ...

    def inputs(self) -> Sequence[Json]:
        """The files read: path, bytes, sha256, rows."""
        ...

    def write(
        self,
        rows: Sequence[int],
        out: Path,
        format: str = "original",
        container: str | None = None,
        at_hand: AtHand | None = None,
    ) -> Path:
        """Write these rows (ascending) below folder ``out`` as ``selected.jsonl`` or
        ``.parquet`` and return the file.

        ``at_hand`` may give rows of a Parquet or Arrow pool as they came, so that
        they need not be read again.
        """
        ...


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that could not be read: its place in the pool and in its file, and why. Counted,
    written, never silently dropped.
    """

    row: int
    file: str
    place: str
    reason: str
    excerpt: str = ""


@dataclass(frozen=True, slots=True)
class Prompt:
    """One evaluation prompt. ``reference`` is a known good answer or ``None``; ``test_set`` and
    ``category`` group results.
    """

    prompt_id: str
    messages: tuple[Message, ...]
    test_set: str
    category: str | None = None
    reference: str | None = None

    @property
    def text(self) -> str:
        """The prompt as one text: its turns joined by blank lines (roles are named when there are several)."""
        return prompt_text(self.messages)


@dataclass(frozen=True, slots=True)
class Completion:
    """One arm's answer to one prompt. ``finished`` is false when generation stopped at its token limit."""

    arm: str
    prompt_id: str
    text: str
    tokens: int | None
    finished: bool


@dataclass(frozen=True, slots=True)
class Pair:
    """Two answers to one prompt. Outcomes are always from the side of ``a``."""

    prompt_id: str
    prompt: str
    a: str
    b: str
    answer_a: str
    answer_b: str
    test_set: str = ""
    category: str | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Review:
    """One judgement of a pair in one order.

    ``order`` is ``ab`` when the answer of ``a`` was shown first, ``ba`` when it was shown second; ``unknown``
    is a stored judgement whose order was not recorded: it is shown with ``a`` first and left out of
    statistics of position. ``preferred`` is the *position* preferred, ``None`` when the reply could not be
    parsed, with the reason. ``scores`` are (first, second) where the judge gives scores. ``raw`` is the
    reply, untouched. ``truncated`` says that answers were cut to the judge's limit before it saw them;
    ``lost`` that no reply came for a reason that may pass.
    """

    order: Literal["ab", "ba", "unknown"]
    preferred: Preference | None
    raw: str
    scores: tuple[float, float] | None = None
    reason: str | None = None
    seconds: float | None = None
    cost: float | None = None
    truncated: bool = False
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """One judge on one pair in both orders, from the side of ``a``.

    ``strict``: only a preference that survives the swap counts, else tie. ``summed``: the sign of the
    preferences summed over both orders (a preference counts 1, a tie half to each; score points are not
    summed). Either is ``unparsed`` when one order could not be parsed. A replayed judgement that was made in
    one order only has one review; its outcome is then that review's under both rules. Lengths are in
    characters.
    """

    prompt_id: str
    a: str
    b: str
    judge: str
    reviews: tuple[Review, ...]
    strict: Outcome
    summed: Outcome
    test_set: str = ""
    category: str | None = None
    length_a: int = 0
    length_b: int = 0

    @property
    def lost(self) -> bool:
        """Whether a review has no reply, for a reason that may pass."""
        return any(review.lost for review in self.reviews)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A reported number. ``value``, ``low`` and ``high`` are ``None`` when ``n`` is 0:
    an empty set has no mean.

    ``low`` to ``high`` is the 95% interval by ``method``; ``missing`` counts the items
    left out because they have no value.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    missing: int
    method: str


@dataclass(frozen=True, slots=True)
class NotEstimable:
    """A number that the data cannot give, and why. ``n`` and ``missing`` count as an Estimate's do."""

    reason: str
    n: int
    missing: int


@dataclass(frozen=True)
class Unread:
    """A field that is not part of the conversation, and in how many of the ``of`` rows
    looked at it holds something.

    ``turns[].field`` is a field of turns; it is counted by turns.
    """

    field: str
    rows: int
    of: int


@dataclass(frozen=True)
class Dropped:
    """A count of rows dropped for one reason."""

    reason: str
    rows: int


@dataclass(frozen=True)
class SelectionSummary:
    """What a selection did, in counts. ``pool = kept + dropped + rejected`` always holds (asserted)."""

    method: str
    pool: int
    kept: int
    rejected: int
    dropped: tuple[Dropped, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    audit: Mapping[str, Any] = field(default_factory=dict)
    """What each guard would find among the kept rows, their token lengths, and what truncation would cut."""
    rejections: tuple[Dropped, ...] = ()
    """Why rows were rejected, commonest first."""
    unread: tuple[Unread, ...] = ()
    """What rows hold that is not part of the conversation."""
    exports: Mapping[str, object] = field(default_factory=dict)
    """The exports for other trainers by their names: rows, files, command, and rows that hold something which
    the trainer does not take (``lost``).
    """

    def __post_init__(self) -> None:
        total = self.kept + self.rejected + sum(part.rows for part in self.dropped)
        if total != self.pool:
            raise AssertionError(f"rows are lost: pool {self.pool}, accounted for {total}")


def messages_id(messages: Sequence[Message]) -> str:
    """The id of a conversation: XXH3 (128 bits) over all that its turns say, as 32 hex digits.

    Each role and each content is framed as a netstring (``<bytes>:<UTF-8>,``), so no two conversations share
    their bytes, and a column of plain texts can be framed in bulk (``data.batch``). What else a turn says
    follows it, framed so under a name that no role has. Lone surrogates, which JSON can carry and UTF-8
    cannot, are hashed by their code point.
    """
    from xxhash import xxh3_128, xxh3_128_hexdigest

    parts = []
    for part in _framed(messages):
        encoded = part.encode("utf-8", "surrogatepass")
        if len(encoded) > LARGE:
            return _large_id(xxh3_128(), messages)
        parts.append(b"%d:%b," % (len(encoded), encoded))
    return xxh3_128_hexdigest(b"".join(parts))


LARGE = 1 << 20
"""Bytes of a text beyond which it is not copied to be hashed."""


def _framed(messages: Sequence[Message]) -> Iterator[str]:
    """The texts that an id is made of: role and content of each turn, and the name and
    text of what else it says.
    """
    for message in messages:
        yield message.role
        yield message.content
        if (
            message.reasoning
            or message.calls
            or message.call_id
            or message.name
            or message.tools
            or message.weight not in (None, 1)
        ):
            yield from _further(message)


def _further(message: Message) -> Iterator[str]:
    if message.reasoning:
        yield from (".reasoning", message.reasoning)
    for call in message.calls:
        yield from (".call", json.dumps([call.name, call.arguments, call.id]))
    for name in ("call_id", "name", "tools"):
        if value := getattr(message, name):
            yield from (f".{name}", value)
    if message.weight is not None and message.weight != 1:  # 1 is what every turn has
        yield from (".weight", f"{message.weight:g}")


def _large_id(digest: xxh3_128, messages: Sequence[Message]) -> str:
    """``messages_id`` by pieces: slower for short texts, and without a copy of a long one."""
    for part in _framed(messages):
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(encoded))
        digest.update(encoded)
        digest.update(b",")
    return str(digest.hexdigest())


def prompt_text(messages: Sequence[Message]) -> str:
    """Prompt turns as one text. A lone user turn is its content; several turns are labelled by their role."""
    if len(messages) == 1:
        return messages[0].text
    return "\n\n".join(f"{message.role}: {message.text}" for message in messages)


def to_json(record: object) -> str:
    """A record as one line of JSON with its fields in order."""
    return LINE.encode(record)


def _fields(record: Any) -> dict[str, object]:
    """The fields of a record as they are; ``asdict`` would copy everything first, for
    most of the time of writing.
    """
    if isinstance(record, Message):
        return record.fields()
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


LINE = json.JSONEncoder(default=_fields, ensure_ascii=False)
"""Made once: ``json.dumps`` would make one for every record."""
