"""The regression of preference on features: it finds what was put in, and nothing
where nothing was put in.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from handpicked.records import Verdict
from handpicked.statistics.logistic import fit
from handpicked.statistics.preference import preference


def simulated(effect, by_length=0.0, prompts=400, rivals=2, seed=0):
    """Verdicts that depend on the feature ``used`` and on length; ``idle`` goes with
    length, ``none`` with nothing.
    """
    rng = np.random.default_rng(seed)
    verdicts, answers = [], {}
    for n in range(prompts):
        for arm in ("mine", *(f"rival{r}" for r in range(rivals))):
            length = int(rng.integers(100, 1000))
            answers[arm, f"p{n}"] = {
                "used": float(rng.normal()), "idle": length / 100 + float(rng.normal()), "none": float(rng.normal()),
                "length": float(length),
            }  # fmt: skip
        for r in range(rivals):
            a, b = answers["mine", f"p{n}"], answers[f"rival{r}", f"p{n}"]
            logit = (
                0.3
                + effect * (a["used"] - b["used"]) / 2**0.5
                + by_length * np.tanh((a["length"] - b["length"]) / 370)
            )
            strict = "win" if rng.random() < 1 / (1 + np.exp(-logit)) else "lose"
            verdicts.append(
                Verdict(
                    f"p{n}", "mine", f"rival{r}", "judge", (), strict, strict,
                    length_a=int(a["length"]), length_b=int(b["length"]),
                )
            )  # fmt: skip
    return verdicts, answers


def rows(verdicts, answers, features=("used", "idle", "none")):
    return {row.feature: row for row in preference(verdicts, answers, features).rows}


def test_an_effect_is_found_at_equal_length_and_only_where_it_is():
    found = rows(*simulated(effect=0.8, by_length=1.5))
    assert found["used"].effect.low < 0.8 < found["used"].effect.high
    assert found["used"].holm < 0.001
    for name in ("idle", "none"):  # idle goes with length, which is held fixed
        assert found[name].effect.low < 0 < found[name].effect.high
        assert found[name].holm > 0.05


def test_a_few_answers_that_loop_do_not_rule_an_effect():
    """A twentieth of the candidate's answers have hundreds of the feature, and the verdicts
    stay: so does the effect.
    """
    verdicts, answers = simulated(effect=0.8, rivals=1)
    before = rows(verdicts, answers)["used"].effect
    for n in range(0, 400, 20):
        answers["mine", f"p{n}"] = {**answers["mine", f"p{n}"], "used": 300.0}
    looping = [replace(v, length_a=40_000) if i % 20 == 0 else v for i, v in enumerate(verdicts)]
    after = rows(looping, answers)["used"].effect
    assert after.value == pytest.approx(before.value, abs=0.15)


def test_under_no_effect_false_findings_are_as_rare_as_they_should_be():
    seeds = 60
    false = sum(
        any(row.holm < 0.05 for row in rows(*simulated(0.0, prompts=80, seed=seed)).values())
        for seed in range(seeds)
    )
    assert false <= 8  # 5% of 60 is 3; more than 8 has a probability below 1%


def test_all_features_in_one_model_agree_where_they_are_independent():
    verdicts, answers = simulated(effect=0.8)
    found = preference(verdicts, answers, ("used", "none"))
    assert found.together["used"].value == pytest.approx(found.rows[0].effect.value, abs=0.1)
    assert preference(verdicts[:20], answers, ("used", "none")).together is None


def test_what_is_missing_is_counted_and_reported():
    verdicts, answers = simulated(0.5, prompts=60, rivals=1)
    answers["mine", "p0"] = {**answers["mine", "p0"], "used": None}
    del answers["mine", "p1"]
    found = preference(verdicts, answers, ("used", "none", "absent"))
    assert (found.n, found.missing) == (59, 1)
    assert found.rows[0].effect.missing == 2 and found.rows[1].effect.missing == 1
    assert found.rows[2].effect.value is None and found.rows[2].holm is None
    nothing = preference([], {}, ("used",))
    assert nothing.rows[0].effect.value is None and nothing.n == 0


def test_it_does_not_depend_on_the_side_that_tells():
    verdicts, answers = simulated(0.7, prompts=120, rivals=1)
    turned = {"win": "lose", "lose": "win"}
    other = [
        Verdict(
            v.prompt_id,
            v.b,
            v.a,
            v.judge,
            (),
            turned[v.strict],
            turned[v.strict],
            length_a=v.length_b,
            length_b=v.length_a,
        )
        for v in verdicts
    ]
    one, two = rows(verdicts, answers), rows(other, answers)
    for name in one:
        assert one[name].effect.value == pytest.approx(two[name].effect.value, abs=1e-6)
        assert one[name].p == pytest.approx(two[name].p, abs=1e-6)


def test_the_solver_is_that_of_scikit_learn():
    linear_model = pytest.importorskip(
        "sklearn.linear_model", reason="scikit-learn comes with the embed extra"
    )
    rng = np.random.default_rng(1)
    x = np.column_stack([np.ones(300), rng.normal(size=(300, 3))])
    y = (rng.random(300) < 1 / (1 + np.exp(-x @ [0.2, 1.0, -0.5, 0.0]))).astype(float)
    beta, _ = fit(x, y, list(range(300)))
    reference = linear_model.LogisticRegression(
        C=1 / 0.04, fit_intercept=False, tol=1e-10, max_iter=1000
    ).fit(x, y)
    assert beta == pytest.approx(reference.coef_[0], abs=1e-4)
