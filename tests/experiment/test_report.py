"""What the results say of the experiment itself."""

from __future__ import annotations

import yaml

from handpicked.experiment.file import load
from handpicked.experiment.report import resolved_settings


def test_settings_in_the_results_have_their_defaults_resolved(tmp_path):
    written = {
        "name": "mine",
        "pool": {"path": "python-stdlib", "hold_out": 4},
        "train": {"method": "lora"},
        "arms": {
            "base": {"by": "none"},
            "longest": {"by": "longest", "size": 4},
            "whole": {"by": "full", "train": {"method": "full"}},
            "own": {"by": "random", "size": 4, "train": {"learning_rate": 0.5}},
        },
    }
    (tmp_path / "e.yaml").write_text(yaml.safe_dump(written, sort_keys=False))
    found = resolved_settings(load(tmp_path / "e.yaml"))
    assert found["train"]["learning_rate"] == 2e-4
    assert found["arms"]["longest"]["train"] is None
    assert found["arms"]["whole"]["train"]["learning_rate"] == 2e-5
    assert found["arms"]["own"]["train"]["learning_rate"] == 0.5
