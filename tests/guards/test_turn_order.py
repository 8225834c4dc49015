"""Conversations whose turns are out of order."""

from __future__ import annotations

import pytest

from guarded import call, calling, findings, turn
from handpicked.guards.turn_order import TurnOrder, disorder

SAID = {
    "s": turn("system", "Be kind."), "u": turn("user", "Why?"), "a": turn("assistant", "Because."),
    "c": calling(call("w")), "t": turn("tool", "3"),
}  # fmt: skip
WRONG = {
    "uua": "turn 2: user after user",
    "uaa": "turn 3: assistant after assistant",
    "uasua": "turn 3: system after assistant",
    "usa": "turn 2: system after user",
    "aua": "turn 1: assistant comes first",
    "sa": "turn 2: assistant after system",
    "cta": "turn 1: a tool call comes first",
    "uta": "turn 2: a tool result after user",
    "tua": "turn 1: a tool result comes first",
    "uau": "the last turn is by the user",
    "uact": "turn 3: a tool call after assistant",
    "ucat": "the last turn is a tool result",
    "uas": "turn 3: system after assistant",
}
SOUND = ("ua", "sua", "ssua", "uaua", "uc", "ucta", "uccta", "ucttca", "uctuctaua", "uca", "ucua", "uctcta")


def test_the_first_turn_out_of_order_is_named(tmp_path):
    rows = [{"messages": [SAID[one] for one in order]} for order in (*WRONG, *SOUND)]
    found = dict(zip((*WRONG, *SOUND), findings(TurnOrder(), rows, tmp_path), strict=True))
    assert found == {**WRONG, **dict.fromkeys(SOUND)}


def test_pairs_are_in_order(tmp_path):
    rows = [{"instruction": "Why?", "input": "", "output": "Because."}] * 3
    assert findings(TurnOrder(), rows, tmp_path) == [None] * 3


@pytest.mark.parametrize("order", [WRONG, SOUND])
def test_nothing_is_found_in_nothing(order):
    assert disorder("") is None
