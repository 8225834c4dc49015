"""docs/cli.md: every command and option, made from the Typer app. ``python tools/reference.py`` writes it."""

from __future__ import annotations

from itertools import groupby

from typer import Context
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

HEAD = """# All commands and options

Generated from the command line by `python tools/reference.py`; do not edit. `handpicked COMMAND --help`
shows the same. What all commands share is in [The command line](commands.md).
"""


def cli_page() -> str:
    """The page, with a section for each command in the order of ``handpicked --help``."""
    from handpicked.cli import app

    group = get_command(app)
    assert isinstance(group, TyperGroup)
    context = Context(group, info_name="handpicked")
    parts = [HEAD, "## handpicked\n", *options_of(group, context)]
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert isinstance(command, TyperCommand)
        inner = Context(command, info_name=name, parent=context)
        usage = " ".join(["handpicked", name, *command.collect_usage_pieces(inner)])
        parts += [f"## {name}\n", f"{one_line(command.help or '')}\n", f"    {usage}\n"]
        parts += options_of(command, inner)
    return "\n".join(parts)


def options_of(command: TyperCommand | TyperGroup, context: Context) -> list[str]:
    """Its arguments and options as a table for each group, the groups as ``--help`` has them."""
    rows = []
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is None or parameter.name == "help":
            continue
        argument = parameter.param_type_name == "argument"
        panel = "Arguments" if argument else getattr(parameter, "rich_help_panel", None) or "Options"
        rows.append((panel, cell(record[0]), cell(one_line(record[1])).replace("<", "&lt;")))
    panels = list(dict.fromkeys(panel for panel, *_ in rows))
    rows.sort(key=lambda row: panels.index(row[0]))
    tables = []
    for panel, lines in groupby(rows, key=lambda row: row[0]):
        body = [f"| `{flags}` | {text} |" for _, flags, text in lines]
        tables.append("\n".join([f"| {panel} | |", "|---|---|", *body, ""]))
    return tables


def one_line(text: str) -> str:
    return " ".join(text.split())


def cell(text: str) -> str:
    """What a cell of a table can hold: no bar, neither on GitHub nor on the site."""
    return text.replace("|", " or ")
