"""Counts, before a run, the tokens of an arm's rows as training encodes them.

Where text alone decides, the rows are selected and encoded by the code that a run uses, so that tokens, steps
and the rows that a budget holds are those of the run. Where a model, an endpoint or another arm decides, the
tokens of the chat template are estimated from the first rows of the pool.
"""

from __future__ import annotations

import tempfile
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from handpicked.errors import HandpickedError, Refused, TrainingError
from handpicked.experiment.job import selection_settings
from handpicked.experiment.lineup import Lineup
from handpicked.experiment.planning.planned_arm import Costs
from handpicked.models.encode import response_turns
from handpicked.records import Pool
from handpicked.selection.choice import select_by
from handpicked.selection.plan import plan_selection

if TYPE_CHECKING:
    from handpicked.models.template import Template

MOST = 20_000
"""Rows of an arm that are encoded, at most: some seconds."""
SAMPLED = 200
"""Rows of a pool from which the tokens of a chat template are estimated."""


def encoded_lengths(
    expanded: Lineup, name: str, pool: Pool, rows: int, template: Template
) -> list[int] | None:
    """Tokens of each row that the arm is trained on, in the order of its subset; rows that training leaves
    out are left out.

    None where the rows are not known before the run (a scorer by a model, responses to be rewritten, lengths
    of another arm to match), are more than ``MOST``, or cannot be trained on.
    """
    from handpicked.train.encode import encode

    arm = expanded.experiment.arms[name]
    if arm.of is not None or arm.refine is not None or rows > MOST:
        return None
    try:
        plan = plan_selection(pool, selection_settings(expanded, name), expanded.pool(arm.pool).turns)
    except HandpickedError:
        return None  # missing_parts names it
    if plan.scorers:
        return None
    with tempfile.TemporaryDirectory(prefix="handpicked-") as folder:
        try:
            found = encode(select_by(plan), template, expanded.train(name).max_length, Path(folder))
        except TrainingError:
            return None  # refused rows are named beside the template
        return [int(length) for length in found.rows.lengths]


def encoded_costs(pool: Pool, costs: Costs, template: Template) -> Costs:
    """``costs`` with as many prompt tokens as make up the whole encoded row: a line through the encoded
    lengths of the first rows, which allows for the template's own tokens and for another tokenizer.
    """
    plain, encoded = [], []
    for cost, example in zip(costs, islice(pool.examples(), SAMPLED), strict=False):
        try:
            encoded.append(len(template.encode(example.messages, response_turns(example)).ids))
        except (Refused, TrainingError):
            continue
        plain.append(sum(cost))
    if not encoded:
        return costs
    slope, offset = 1.0, float(np.mean(encoded) - np.mean(plain))
    if len(set(plain)) > 1:
        slope, offset = (float(value) for value in np.polyfit(plain, encoded, 1))
    return [
        (response, max(0, round(slope * (response + prompt) + offset) - response))
        for response, prompt in costs
    ]
