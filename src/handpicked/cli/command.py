"""Shows and parses every command: the groups of options in ``--help``, and the flags of an earlier release."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typer.core import TyperCommand

from handpicked.cli.terminal import say

PANELS: Mapping[str, tuple[str, ...]] = {
    "Data": ("pool_format", "map_", "max_row_mb", "turns", "where", "split", "config", "encoding", "data", "limit", "references", "prompts"),
    "Choice of rows": (
        "by", "size", "fraction", "tokens", "measure", "part", "tokenizer", "seed", "guard", "scores",
    ),
    "Settings of methods": (
        "of", "disjoint", "field", "low", "high", "clusters", "take", "threshold", "alpha", "neighbours", "set_",
    ),
    "Model": ("model", "adapter", "template", "engine", "batch_size", "chat_template", "chat", "max_length"),
    "Scores by models": ("target", "sample", "prefilter"),
    "Endpoint": (
        "base_url", "key_env", "concurrency", "max_cost", "price_in", "price_out", "batch", "batch_write", "force",
    ),
    "Stored reviews and labels": ("replay", "reversed_", "a", "b", "calibrate"),
    "Where it runs": ("runner", "address", "devices", "memory", "keep_versions", "dry_run"),
    "Results": ("out", "format", "container", "export", "train", "push_to_hub", "compare_measures", "as_json"),
}  # fmt: skip
"""The groups of options, the same in every command; what is in none of them comes first."""

OLD_FLAGS: Mapping[str, Mapping[str, str]] = {
    "inspect": {"--size": "--limit"},
    "bench": {"--task": "--benchmark"},
}
"""By command, the flags of 0.1.0 that have a new name. They are accepted until 0.3.0."""


class Command(TyperCommand):
    """A command with its options in groups, which takes old flags with a note."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        panel_of = {name: panel for panel, names in PANELS.items() for name in names}
        for parameter in self.params:
            if parameter.param_type_name == "option" and parameter.name is not None:
                parameter.rich_help_panel = panel_of.get(parameter.name)  # type: ignore[attr-defined]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The arguments with every old flag replaced by its new name."""
        old = OLD_FLAGS.get(self.name or "", {})
        for place, word in enumerate(args):
            if word == "--":
                break
            flag, equals, value = word.partition("=")
            if flag in old:
                say(f"{flag} is now called {old[flag]}; the old name is accepted until 0.3.0.")
                args[place] = f"{old[flag]}{equals}{value}"
        return super().parse_args(ctx, args)
