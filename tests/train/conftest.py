"""Rows to train on."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from handpicked.records import Example, Message, messages_id


def _example(row: int, *contents: str, response: str | None = None) -> Example:
    """Turns of user and assistant in alternation; the response is the final one unless given."""
    messages = tuple(Message(("user", "assistant")[i % 2], content) for i, content in enumerate(contents))
    response = messages[-1].content if response is None else response
    return Example(row, messages_id(messages), messages, contents[0], response, "test", {})


@pytest.fixture(scope="session")
def example() -> Callable[..., Example]:
    """Makes a row of its number and its turns."""
    return _example


@pytest.fixture(scope="session")
def rows() -> list[Example]:
    """Twelve rows of 60 to 130 tokens (bytes) for the tiny model."""
    return [_example(i, f"Count to {i}.", " ".join(str(n) for n in range(i + 1))) for i in range(1, 24, 2)]
