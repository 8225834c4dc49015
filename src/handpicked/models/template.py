"""Chat templates: one rendering for training, generation, scoring and held-out loss.

**The rule.** A response is what a model writes after its generation prompt. So a learned turn is
shown as inference shows it:

    generation prompt of the turns before it  +  opening  +  response  +  end token
    (-------------------- not learned ---------------------)  (------- learned -------)

The *opening* is what the template itself puts between its generation prompt and a response: an empty thought
(Qwen3), the end of a thought that the generation prompt begins (DeepSeek-R1), a channel (gpt-oss). It is no
part of the row, so it is not learned, and generation is prompted with it. A row whose response holds a
thought is learned with its thought and has no opening: ``encode_prompt(..., thought=True)`` is its prompt. An
empty thought in a row is not a thought.

Earlier turns are as the template writes them before a later one, which may be without their thoughts. An
earlier turn is learned only where it is there exactly as inference would show it; ``Encoded.unlearned``
counts the others.

What a turn says besides its content (a thought that the row keeps apart, tool calls, the tools that are
declared) is given to the template that takes it. For one that does not, thoughts and calls are written into
the content (``Message.text``), so that nothing of a response is lost, and ``Template.takes`` says so;
declared tools cannot be shown then.

Text and responses are tokenised piece by piece, so the tokens of a prompt are the same whether a response
follows (training) or is wanted (generation). The end token is appended by id, and a response that spells out
a special token is tokenised as ordinary text: exactly one end token ends exactly one response. ``auto`` is
the tokenizer's own template, as it is: a default system prompt that it slips in stays, in training as in
generation.
"""

from __future__ import annotations

import functools
import json
import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from handpicked.errors import ConfigError, Refused, TrainingError, did_you_mean
from handpicked.models.head import IGNORED
from handpicked.models.load import embedding_rows, load_tokenizer
from handpicked.models.rendering import PROBE, Takes, render, takes_of, texts_in
from handpicked.models.template_source import FALLBACK, SHIPPED, own_template, own_templates, shipped_template
from handpicked.records import Message

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from handpicked.config import ModelSettings
    from handpicked.models.sandbox import Rendering

log = logging.getLogger(__name__)
THOUGHT, THOUGHT_END = "<think>", "</think>"
CLOSED = f"\n{THOUGHT_END}\n\n"
"""What closes a thought that the generation prompt opens, where the response has none."""
EMPTY_THOUGHT = re.compile(rf"^\s*(?:{THOUGHT})?\s*{THOUGHT_END}\s*")
OTHERS = "Set train.template to chatml, alpaca, vicuna or plain."


@dataclass(frozen=True)
class Encoded:
    """Token ids and labels of one conversation, equally long. A label is the token's id, or
    -100 where it is not learned.

    ``unlearned`` counts the turns that were to be learned but do not appear in the
    conversation as inference shows them.
    """

    ids: list[int]
    labels: list[int]
    unlearned: int = 0

    @property
    def learned(self) -> int:
        """Tokens that the loss is taken over: response and end-of-text tokens."""
        return sum(label != IGNORED for label in self.labels)


@dataclass(frozen=True)
class Shown:
    """A turn as inference shows it: the generation prompt with the opening, and the
    response without its end token.
    """

    prompt: str
    response: str


@dataclass(frozen=True)
class Template:
    """A chat template with its tokenizer. ``end_id`` is the token that ends a response, ``rows`` the number of
    tokens that the model has an embedding for (None: not known); make one with ``load_template``, or for a
    model with ``model_template``.
    """

    name: str
    tokenizer: PreTrainedTokenizerBase
    source: str
    prefix: tuple[int, ...]
    end_id: int
    rows: int | None = None

    @functools.cached_property
    def takes(self) -> Takes:
        """Which thoughts, calls and declared tools the template renders."""
        return takes_of(self.tokenizer, self.source, self.name)

    def writes_as_text(self, messages: Sequence[Message]) -> bool:
        """Whether a turn has a separate thought or tool calls that the template cannot render."""
        return any(
            (message.reasoning and not self.takes.reasoning) or (message.calls and not self.takes.calls)
            for message in messages
        )

    def unshown_tools(self, messages: Sequence[Message]) -> bool:
        """Whether the conversation declares tools that the template does not show."""
        return not self.takes.tools and any(message.tools for message in messages)

    def encode(self, messages: Sequence[Message], turns: Sequence[int]) -> Encoded:
        """The conversation up to its last learned turn. ``turns``: positions in
        ``messages`` that are learned.

        Raises Refused (a TrainingError) where the template refuses the conversation or
        changes a response's own text.
        """
        ids, labels = list(self.prefix), [IGNORED] * len(self.prefix)
        pieces = self._conversation(messages, max(turns))
        for text, turn in pieces:
            piece = self._tokens(text, response=turn is not None)
            if turn is not None:
                piece.append(self.end_id)
            ids += piece
            labels += piece if turn in turns else [IGNORED] * len(piece)
        return Encoded(ids, labels, len(set(turns) - {turn for _, turn in pieces}))

    def unlearned(self, messages: Sequence[Message], turns: Sequence[int]) -> int:
        """``Encoded.unlearned``, without tokenising. Raises Refused as ``encode`` does."""
        return len(set(turns) - {turn for _, turn in self._conversation(messages, max(turns))})

    def _conversation(self, messages: Sequence[Message], last: int) -> list[tuple[str, int | None]]:
        """The conversation up to the response ``last``, in pieces as ``_pieces`` gives them."""
        shown = self.show(messages[: last + 1])
        if not any(message.role == "assistant" for message in messages[:last]):
            return [(shown.prompt, None), (shown.response, last)]
        return [*self._pieces(messages[:last], shown.prompt), (shown.response, last)]

    def encode_prompt(self, messages: Sequence[Message], *, thought: bool = False) -> list[int]:
        """Token ids of a prompt, up to the place where the response begins; with
        ``thought``, where its thought does.

        Raises Refused where the template refuses the conversation.
        """
        text = self.prompt(messages, thought=thought)
        ids = list(self.prefix)
        for piece, turn in self._pieces(messages, text):
            ids += self._tokens(piece, response=turn is not None)
            if turn is not None:
                ids.append(self.end_id)
        return ids

    def prompt(self, messages: Sequence[Message], *, thought: bool = False) -> str:
        """The generation prompt after ``messages``, with the opening of a response unless that
        begins with a ``thought``.
        """
        before = self._render(messages, prompt=True).text
        return before if thought else before + self._opening(messages, before)

    def show(self, messages: Sequence[Message]) -> Shown:
        """The last turn of ``messages``, an assistant's, as inference shows it.

        Raises Refused where the template refuses the conversation, changes the response's text or
        leaves it without an end.
        """
        last = messages[-1]
        before = self._render(messages[:-1], prompt=True).text
        body, marked = self._body(messages, before)
        if last.calls and self.takes.calls:
            return self._with_calls(messages, before, body, marked)
        content = last.text
        if body.strip() == content.strip() and not EMPTY_THOUGHT.match(content):  # as most templates write it
            return Shown(before + body[:marked], body[marked:])
        opening = self._opening(messages[:-1], before)
        response = EMPTY_THOUGHT.sub("", content) if THOUGHT_END in opening else content
        if body.startswith(opening) and response.strip() in body[len(opening) :]:
            start = max(len(opening), marked)
            return Shown(before + body[:start], body[start:])
        if THOUGHT_END in content:
            return self._with_thought(content, before, body, marked)
        raise self._refusal(f"it changes the response's text ({content.strip()[:60]!r})")

    def _with_thought(self, content: str, before: str, body: str, marked: int) -> Shown:
        """A response with a thought, which the template sets apart in its own way, or drops.

        Dropped, it is learned as the row has it: inference shows the generation prompt, and the
        model writes its thought.
        """
        thought, _, answer = content.rpartition(THOUGHT_END)
        if answer.strip() not in body:
            raise self._refusal(f"it changes the response's text ({content.strip()[:60]!r})")
        if thought.replace(THOUGHT, "", 1).strip() in body[: body.rfind(answer.strip())]:
            return Shown(before + body[:marked], body[marked:])
        begun = before.rstrip().endswith(THOUGHT)
        text = content.lstrip()
        return Shown(before, text.removeprefix(THOUGHT).lstrip("\n") if begun else text)

    def _with_calls(self, messages: Sequence[Message], before: str, body: str, marked: int) -> Shown:
        """A response that calls tools, in the template's own form of calls. Raises Refused
        where it drops a part of it.
        """
        last = messages[-1]
        for part in (last.reasoning, last.answer, *(call.name for call in last.calls)):
            if part.strip() not in body:
                raise self._refusal(
                    f"it does not show all of a response that calls tools ({part.strip()[:60]!r} is lost)"
                )
        for text in (text for call in last.calls for text in texts_in(call.arguments)):
            if (
                text not in body
                and json.dumps(text)[1:-1] not in body
                and json.dumps(text, ensure_ascii=False)[1:-1] not in body
            ):
                raise self._refusal(f"it does not show the arguments of a tool call ({text[:60]!r} is lost)")
        opening = "" if last.thought else self._opening(messages[:-1], before)
        start = max(len(opening) if body.startswith(opening) else 0, marked)
        return Shown(before + body[:start], body[start:])

    def _body(self, messages: Sequence[Message], before: str) -> tuple[str, int]:
        """What follows the generation prompt ``before`` when the template writes the last turn, up to its end
        token, and where in it begins what the template marks as generated (0: the start, also where it marks
        nothing).

        Where only the generation prompt begins a thought (DeepSeek-R1), the end of that
        thought is what follows first.
        """
        whole = self._render(messages, prompt=False)
        begun = not whole.text.startswith(before) and before.rstrip().endswith(THOUGHT)
        stem = before[: before.rindex(THOUGHT)] if begun else before
        if not whole.text.startswith(stem):
            raise self._refusal(
                "it rewrites earlier turns, so the response's tokens cannot be separated from the prompt's"
            )
        end = whole.text.rfind(self._end)
        if end < len(stem):
            raise self._refusal(
                f"it does not end the response with {self._end}, so a model would not learn to stop"
            )
        marked = self._mark(whole, len(stem), end)
        body = whole.text[len(stem) : end]
        return (CLOSED + body, marked + len(CLOSED)) if begun else (body, marked)

    def _mark(self, whole: Rendering, start: int, end: int) -> int:
        if "endgeneration" not in self.source:
            return 0
        own = [begin for begin, stop in whole.marked if stop > start and begin <= end]
        if not own:
            raise self._refusal(
                "it marks no part of the response as generated, so nothing of it would be learned"
            )
        return max(0, own[0] - start)

    def _opening(self, messages: Sequence[Message], before: str) -> str:
        """What the template writes between the generation prompt ``before`` and a
        response that has no thought.
        """
        probe = PROBE[1]
        body, _ = self._body((*messages, probe), before)
        opening = body[: body.rfind(probe.content)]
        return opening if opening.strip() else ""  # white space is learned: a model must write it

    def _pieces(self, messages: Sequence[Message], text: str) -> Iterator[tuple[str, int | None]]:
        """``text``, which shows ``messages``, in pieces: (template and prompt text, None), (a response
        without its end, its turn). A turn that is not shown as inference shows it is prompt text.
        """
        done = 0
        for turn, message in enumerate(messages):
            if message.role != "assistant":
                continue
            try:
                shown = self.show(messages[: turn + 1])
            except Refused:
                continue
            whole = shown.prompt + shown.response + self._end
            if len(shown.prompt) >= done and text.startswith(whole):
                yield text[done : len(shown.prompt)], None
                yield shown.response, turn
                done = len(whole)
        yield text[done:], None

    @property
    def _end(self) -> str:
        return str(self.tokenizer.convert_ids_to_tokens(self.end_id))

    def _refusal(self, reason: str) -> Refused:
        return Refused(self.name, reason)

    def _render(self, messages: Sequence[Message], *, prompt: bool) -> Rendering:
        return render(self.tokenizer, self.source, messages, prompt=prompt, name=self.name, takes=self.takes)

    def _tokens(self, text: str, *, response: bool) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False, split_special_tokens=response)[
            "input_ids"
        ]
        if self.rows is not None and ids and max(ids) >= self.rows:
            raise self._refusal(f"it writes {_unknown(self.tokenizer, max(ids), self.rows)}")
        return ids


def model_template(name: str, model: ModelSettings) -> Template:
    """``load_template`` for the tokenizer of a model, whose tokens must be among those that the model knows.

    Raises what ``load_template`` and ``load_tokenizer`` raise, and TrainingError where the model has no
    embedding for the token that ends a response.
    """
    tokenizer, rows = load_tokenizer(model), embedding_rows(model)
    template = load_template(name, tokenizer)
    if rows is not None and template.end_id >= rows:
        raise TrainingError(
            f"The chat template '{template.name}' ends a response with {_unknown(tokenizer, template.end_id, rows)}. "
            f"Resize the embeddings of '{model.name}' to its tokenizer (resize_token_embeddings) and save it, or "
            "choose another train.template."
        )
    return replace(template, rows=rows)


def _unknown(tokenizer: PreTrainedTokenizerBase, token: int, rows: int) -> str:
    """A token that the model does not know, in words."""
    text = tokenizer.convert_ids_to_tokens(token)
    return f"the token {text} (id {token}), for which the model has no embedding (it has {rows})"


def load_template(name: str, tokenizer: PreTrainedTokenizerBase) -> Template:
    """The template ``auto`` (the tokenizer's own), alpaca, chatml, plain, vicuna, or one
    that the tokenizer names.

    A tokenizer without a template, such as a base model's, gets ``FALLBACK`` for ``auto``: the returned
    template has its name, and this is logged. Raises ConfigError for an unknown name; TrainingError for a
    tokenizer without an end-of-text token, for a template that is not Jinja or exceeds the sandbox's bounds,
    and for one whose responses end in no special token, because a model trained this way would never learn to stop.
    """
    own = own_templates(tokenizer)
    if name == "auto" and not own:
        log.warning("This model's tokenizer has no chat template: '%s' is used for auto.", FALLBACK)
        name = FALLBACK
    prefix: tuple[int, ...] = ()  # a chat template writes its own beginning-of-text
    if name == "auto":
        source = own_template(tokenizer) or ""
    elif name in SHIPPED:
        source = shipped_template(name, tokenizer)
        prefix = _beginning(tokenizer)
    elif name in own:
        source = own[name]
    else:
        raise ConfigError(
            f"There is no chat template '{name}'.{did_you_mean(name, ['auto', *SHIPPED, *own])}"
        )
    return Template(name, tokenizer, source, prefix, _end_id(name, tokenizer, source))


def _beginning(tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """What this tokenizer puts before every text, such as LLaMA's ``<s>``."""
    with_special = tokenizer("a")["input_ids"]
    if tokenizer.bos_token_id is not None and with_special[0] == tokenizer.bos_token_id:
        return (tokenizer.bos_token_id,)
    return ()


def _end_id(name: str, tokenizer: PreTrainedTokenizerBase, source: str) -> int:
    """The first special token after a response."""
    text = render(tokenizer, source, PROBE, prompt=False, name=name).text
    at = text.rfind(PROBE[1].content)
    if at < 0:
        raise TrainingError(
            f"The chat template '{name}' does not write the response of a conversation. {OTHERS}"
        )
    tail = text[at + len(PROBE[1].content) :]
    special = set(tokenizer.all_special_ids) | {
        i for i, t in tokenizer.added_tokens_decoder.items() if t.special
    }
    for token in tokenizer(tail, add_special_tokens=False)["input_ids"]:
        if token in special and token != tokenizer.unk_token_id:
            return int(token)
    raise TrainingError(
        f"The chat template '{name}' ends a response with {tail!r}, which holds no special "
        "token of this tokenizer: a model "
        "trained this way would never learn to stop. Choose another train.template (alpaca, "
        "vicuna and plain end with the "
        "tokenizer's own end-of-text)."
    )
