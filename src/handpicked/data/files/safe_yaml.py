"""Reads YAML from others safely: no recursion, no aliases that multiply, no impossible values."""

from __future__ import annotations

import yaml

MOST_DEPTH = 64
MOST_NODES = 100_000
"""Nodes of a document with every alias written out."""


def checked(text: str) -> tuple[yaml.Node | None, object]:
    """The node and the value of a document.

    Raises yaml.YAMLError, with its place, for what is not YAML, is nested more than ``MOST_DEPTH`` deep,
    contains itself, has more than ``MOST_NODES`` nodes, or holds a value such as the 45th of a month.
    """
    _check_events(text)
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    if node is None:
        return None, None
    loader = yaml.SafeLoader("")
    try:
        _check_scalars(node, loader, set())
        return node, loader.construct_document(node)
    finally:
        loader.dispose()


def _check_events(text: str) -> None:
    """Count depth and nodes before anything is built. The content of an anchor counts again at each of its
    aliases.
    """
    open_: list[tuple[str | None, int]] = []  # anchor, and nodes so far when it was opened
    sizes: dict[str, int] = {}
    nodes = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            if any(anchor == event.anchor for anchor, _ in open_):
                raise _refused(
                    f"'*{event.anchor}' is inside the value that it names, so it has no end", event
                )
            nodes += sizes.get(event.anchor or "", 1)
        elif isinstance(event, yaml.ScalarEvent):
            nodes += 1
            if event.anchor:
                sizes[event.anchor] = 1
        elif isinstance(event, yaml.CollectionStartEvent):
            nodes += 1
            open_.append((event.anchor, nodes - 1))
            if len(open_) > MOST_DEPTH:
                raise _refused(f"it is nested more than {MOST_DEPTH} deep", event)
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_.pop()
            if anchor:
                sizes[anchor] = nodes - before
        if nodes > MOST_NODES:
            raise _refused(f"it has more than {MOST_NODES:,} values, with its aliases written out", event)


def _check_scalars(node: yaml.Node, loader: yaml.SafeLoader, seen: set[int]) -> None:
    """Make every plain value once, so that one that Python refuses is reported with its place."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            _check_scalars(key, loader, seen)
            _check_scalars(value, loader, seen)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _check_scalars(value, loader, seen)
    else:
        try:
            loader.construct_object(node)
        except (ValueError, OverflowError, ArithmeticError) as error:
            raise _refused(f"{str(node.value)[:60]!r} is not a valid value: {error}", node) from error


def _refused(problem: str, where: yaml.Event | yaml.Node) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=where.start_mark)  # type: ignore[arg-type]
