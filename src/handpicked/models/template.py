"""Chat templates: one rendering for training, generation and reference loss, with the response's span known exactly.

A conversation is cut into pieces, each tokenised by itself: template text with prompts, and responses. So the tokens of a
prompt are the same whether a response follows (training) or is wanted (generation), and the tokens of a response decode
to that response. The end-of-text token after a response is appended by id, and a response that spells out a special
token is tokenised as ordinary text: exactly one end token ends exactly one response.

``auto`` is the tokenizer's own template, as it is. SmolLM2's slips in a default system prompt where there is none; the
model was made with it, so it is kept, in training as in generation.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from handpicked.errors import ConfigError, TrainingError, did_you_mean
from handpicked.models.head import IGNORED
from handpicked.records import Message

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

log = logging.getLogger(__name__)

SHIPPED = ("alpaca", "chatml", "plain", "vicuna")
FALLBACK = "alpaca"
"""What ``auto`` is for a tokenizer without a template of its own: the template that this family of papers trains with."""
_PROBE = (Message("user", "question"), Message("assistant", "answer"))


@dataclass(frozen=True)
class Encoded:
    """Token ids and labels of one conversation, equally long. A label is the token's id, or -100 where it is not learned."""

    ids: list[int]
    labels: list[int]

    @property
    def learned(self) -> int:
        """Tokens that the loss is taken over: response and end-of-text tokens."""
        return sum(label != IGNORED for label in self.labels)


@dataclass(frozen=True)
class Template:
    """A chat template with its tokenizer. ``end_id`` is the token that ends a response; make one with ``load_template``."""

    name: str
    tokenizer: PreTrainedTokenizerBase
    source: str
    prefix: tuple[int, ...]
    end_id: int

    def encode(self, messages: Sequence[Message], turns: Sequence[int]) -> Encoded:
        """The conversation up to its last learned turn. ``turns``: positions in ``messages`` that are learned.

        Raises TrainingError where the template changes earlier turns or a response's own text.
        """
        ids, labels = list(self.prefix), [IGNORED] * len(self.prefix)
        for text, turn in self._pieces(messages[: max(turns) + 1]):
            piece = self._tokens(text, response=turn is not None)
            if turn is not None:
                piece.append(self.end_id)
            ids += piece
            labels += piece if turn in turns else [IGNORED] * len(piece)
        return Encoded(ids, labels)

    def encode_prompt(self, messages: Sequence[Message]) -> list[int]:
        """Token ids of a prompt, up to the place where the response begins."""
        ids, done = list(self.prefix), 0
        for text, turn in self._pieces(messages):
            ids += self._tokens(text, response=turn is not None)
            done += len(text)
            if turn is not None:
                ids.append(self.end_id)
                done += len(self._end)
        return ids + self._tokens(self._render(messages, prompt=True)[done:], response=False)

    @property
    def _end(self) -> str:
        return str(self.tokenizer.convert_ids_to_tokens(self.end_id))

    def _pieces(self, messages: Sequence[Message]) -> Iterator[tuple[str, int | None]]:
        """The rendered text in pieces: (template and prompt text, None), then (response text without its end, its turn)."""
        done = 0
        seen = ""
        for turn, message in enumerate(messages):
            if message.role != "assistant":
                continue
            before = self._render(messages[:turn], prompt=True)
            whole = self._render(messages[: turn + 1], prompt=False)
            body = whole[len(before) :]
            end = body.rfind(self._end)
            if not (before.startswith(seen) and whole.startswith(before)) or end < 0:
                raise TrainingError(
                    f"The chat template '{self.name}' rewrites earlier turns, so the response's tokens cannot be told from "
                    "the prompt's. Set train.template to chatml, alpaca, vicuna or plain."
                )
            if message.content.strip() not in body[:end]:
                raise TrainingError(
                    f"The chat template '{self.name}' changes the response's text, so it would not be learned as it is "
                    f"written ({message.content.strip()[:60]!r}). Set train.template to chatml, alpaca, vicuna or plain."
                )
            yield before[done:], None
            yield body[:end], turn
            done = len(before) + end + len(self._end)
            seen = whole[:done]

    def _render(self, messages: Sequence[Message], *, prompt: bool) -> str:
        turns = [{"role": message.role, "content": message.content} for message in messages]
        return render(self.tokenizer, self.source, turns, prompt=prompt, name=self.name)

    def _tokens(self, text: str, *, response: bool) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False, split_special_tokens=response)[
            "input_ids"
        ]
        return ids


def load_template(name: str, tokenizer: PreTrainedTokenizerBase) -> Template:
    """The template ``auto`` (the tokenizer's own), alpaca, chatml, plain or vicuna.

    A tokenizer without a template of its own, as a base model's, gets ``FALLBACK`` for ``auto``: the template that is
    returned bears its name, and it is logged. Raises ConfigError for an unknown name; TrainingError for a tokenizer without
    an end-of-text token and for a template whose responses end in no special token, because a model trained with either
    would never learn to stop.
    """
    if name == "auto" and not isinstance(tokenizer.chat_template, str):
        log.warning(
            "This model's tokenizer has no chat template of its own: '%s' is used for auto.", FALLBACK
        )
        name = FALLBACK
    if name == "auto":
        source = tokenizer.chat_template
        prefix: tuple[int, ...] = ()  # a chat template writes its own beginning-of-text
    elif name in SHIPPED:
        source = (files("handpicked.models") / "templates" / f"{name}.jinja").read_text(encoding="utf-8")
        if "eos_token" in source and tokenizer.eos_token is None:
            raise TrainingError(
                f"This model's tokenizer names no end-of-text token (eos_token), with which the template '{name}' ends a "
                "response: a model trained so would never learn to stop. Name one of its tokens as eos_token in its "
                "tokenizer_config.json, or choose a model whose tokenizer has one."
            )
        prefix = _beginning(tokenizer)
    else:
        raise ConfigError(f"There is no chat template '{name}'.{did_you_mean(name, ['auto', *SHIPPED])}")
    return Template(name, tokenizer, source, prefix, _end_id(name, tokenizer, source))


def render(tokenizer: Any, source: str, turns: list[dict[str, str]], *, prompt: bool, name: str) -> str:
    """``turns`` as the template ``source`` writes them; ``prompt`` adds the opening of a response."""
    from jinja2 import TemplateError

    try:
        text: str = tokenizer.apply_chat_template(
            turns, chat_template=source, tokenize=False, add_generation_prompt=prompt
        )
    except TemplateError as error:
        roles = ", ".join(turn["role"] for turn in turns)
        raise TrainingError(
            f"The chat template '{name}' refuses a conversation of the roles {roles}: {error}"
        ) from error
    return text


def _beginning(tokenizer: Any) -> tuple[int, ...]:
    """What this tokenizer puts before every text, such as LLaMA's ``<s>``."""
    with_special = tokenizer("a")["input_ids"]
    if tokenizer.bos_token_id is not None and with_special[0] == tokenizer.bos_token_id:
        return (tokenizer.bos_token_id,)
    return ()


def _end_id(name: str, tokenizer: Any, source: str) -> int:
    """The first special token after a response."""
    turns = [{"role": message.role, "content": message.content} for message in _PROBE]
    text = render(tokenizer, source, turns, prompt=False, name=name)
    tail = text[text.rindex(_PROBE[1].content) :]
    special = set(tokenizer.all_special_ids) | {
        i for i, t in tokenizer.added_tokens_decoder.items() if t.special
    }
    for token in tokenizer(tail, add_special_tokens=False)["input_ids"]:
        if token in special and token != tokenizer.unk_token_id:
            return int(token)
    raise TrainingError(
        f"The chat template '{name}' ends a response with {tail[len(_PROBE[1].content) :]!r}, which holds no special token of "
        "this tokenizer: a model trained so would never learn to stop. Choose another train.template (alpaca, vicuna and "
        "plain end with the tokenizer's own end-of-text)."
    )
