"""A tokenizer.json with as much of transformers' interface as a chat template needs, where transformers is
not installed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from handpicked.errors import ConfigError

if TYPE_CHECKING:
    from tokenizers import AddedToken


class LightTokenizer:
    """A tokenizer for the shipped chat templates; a tokenizer.json has none.

    It does not say which of its special tokens ends a text: the first one that begins no text is used, since
    any single token will do for counting.
    """

    chat_template = None
    unk_token_id = None

    def __init__(self, file: Path) -> None:
        """Raises ConfigError for a file that is not a tokenizer.json, or has no special token."""
        import tokenizers

        try:
            self._tokenizer = tokenizers.Tokenizer.from_file(str(file))
        except Exception as error:  # the library raises Exception itself
            raise ConfigError(
                f"tokenizer: a chat template needs a tokenizer.json, and {file} is not one that "
                f"Hugging Face tokenizers reads ({error}). Name a model with --model."
            ) from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.added_tokens_decoder: dict[int, AddedToken] = self._tokenizer.get_added_tokens_decoder()
        self.all_special_ids = sorted(i for i, token in self.added_tokens_decoder.items() if token.special)
        first = self._tokenizer.encode("a", add_special_tokens=True).ids[:1]
        self.bos_token_id = first[0] if first and first[0] in self.all_special_ids else None
        ends = [one for one in self.all_special_ids if one != self.bos_token_id]
        if not ends:
            raise ConfigError(
                f"tokenizer: {file} has no special token that could end a response. "
                "Name a model with --model, whose tokenizer has one."
            )
        self.eos_token = self.convert_ids_to_tokens(ends[0])

    @property
    def special_tokens_map(self) -> dict[str, str]:
        """The special tokens that templates name."""
        begin = (
            {} if self.bos_token_id is None else {"bos_token": self.convert_ids_to_tokens(self.bos_token_id)}
        )
        return {"eos_token": self.eos_token, **begin}

    def convert_ids_to_tokens(self, one: int) -> str:
        """The token of an id."""
        return str(self._tokenizer.id_to_token(one))

    def __call__(
        self, text: str, add_special_tokens: bool = True, split_special_tokens: bool = False
    ) -> dict[str, list[int]]:
        """The ids of a text; with ``split_special_tokens`` one that spells out a special token is plain text."""
        self._tokenizer.encode_special_tokens = split_special_tokens
        return {"input_ids": self._tokenizer.encode(text, add_special_tokens=add_special_tokens).ids}
