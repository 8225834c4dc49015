"""The name of an arm as the page of a run shows it, with how it was made."""

from __future__ import annotations

from markupsafe import Markup

from handpicked.pages.table import aside, bold
from handpicked.results.schema import Results


def arm_name(name: str, results: Results) -> Markup:
    """The name, and smaller its selector, the number of its seeds, and whether its responses are rewritten."""
    arm = next(arm for arm in results.arms if arm.name == name)
    notes = ["base model"] if arm.by == "none" else [arm.by] if arm.by != arm.name else []
    notes += [f"{len(arm.seeds)} seeds"] if arm.seeds else []
    notes += ["rewritten"] if arm.refined else []
    return Markup(" ").join([bold(name), *map(aside, notes)])
