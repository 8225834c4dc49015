"""Which form of the lengths to control by: on public verdicts, against published rates, and in simulation.

    python -m benchmarks.length_control --data PUBLIC [--runs 300]

PUBLIC holds ``judge_meta/``: AlpacaEval 1's annotations and leaderboard, Cherry LLM's reviews, MT-Bench's
pairs, and the pairs that people labelled (Auto-J, LLMBar, FairEval). Three tables:

* fit: log-likelihood of held-out verdicts above that of the mean alone (10 folds by prompt, three times),
  over all pairs and over those within 20% of equal length alone, since it is there that the rate is read;
* published: the rate at equal length of each AlpacaEval 1 model beside the published length-controlled one;
* simulation: a judge that prefers length alone, by one of five laws, and answers of which some repeat
  themselves up to a limit. How often does the 95% interval at equal length lie above 50% (2.5% would be
  right)?
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from handpicked.judges.labelled import read_labelled
from handpicked.judges.replay import replay
from handpicked.judges.shown import answers_shown
from handpicked.statistics.equal_length import NEAR, length_rows
from handpicked.statistics.estimates import Z95
from handpicked.statistics.length_forms import FORMS, NORMAL, Form, robust_scale
from handpicked.statistics.logistic import fit, influences
from handpicked.statistics.win_rate import WORTH

FOLDS, TIMES = 10, 3
WINDOW = 0.15
"""Standard deviation, in shares of all ranks, of the window that smooths."""
LABELLED = ("autoj_pairwise_1392", "llmbar_419", "llmbar_processed_human_pairs", "faireval_80")


@dataclass(frozen=True)
class Judged:
    """Verdicts on two models: prompts [n], lengths [n] of both answers, outcomes [n] for the first."""

    prompts: Sequence[str]
    a: np.ndarray
    b: np.ndarray
    y: np.ndarray

    @property
    def near(self) -> np.ndarray:
        return np.asarray(np.abs(self.a - self.b) <= NEAR * np.maximum(self.a, self.b))


Predict = Callable[[np.ndarray, np.ndarray], np.ndarray]
Fitter = Callable[[np.ndarray, np.ndarray, np.ndarray], Predict]
"""Learns from lengths and outcomes to predict outcomes from lengths."""


def read(data: Path) -> dict[str, Judged]:
    """Every set of verdicts with lengths."""
    found = {}
    for name, rule in (
        ("alpaca_eval1_gpt4_annotations", "strict"),
        ("cherry5_vs_alpaca_reviews_gpt35", "summed"),
    ):
        verdicts = replay(data / f"{name}.parquet").verdicts
        for a, b in sorted({(v.a, v.b) for v in verdicts}):
            rows = length_rows([v for v in verdicts if (v.a, v.b) == (a, b)], rule)  # type: ignore[arg-type]
            label = a if name.startswith("alpaca") else "cherry (GPT-3.5)"
            found[label] = Judged(rows.prompts, rows.lengths[:, 0], rows.lengths[:, 1], rows.outcomes)
    found["mt-bench (GPT-4)"] = _mt_bench(data / "mt_bench_gpt4_pair_judgments.parquet")
    for name in LABELLED:
        labelled = read_labelled(data / f"{name}.parquet")
        kept = [
            (p.prompt_id, len(p.answer_a), len(p.answer_b), WORTH[label])
            for p, label in zip(labelled.pairs, labelled.labels, strict=True)
            if p.answer_a or p.answer_b
        ]
        found[f"{name.split('_')[0]} {name.split('_')[1]} (people)"] = _judged(kept)
    return found


def _mt_bench(file: Path) -> Judged:
    rows = pq.read_table(file).to_pylist()
    verdicts = replay(file).verdicts
    kept = []
    for row, verdict in zip(rows, verdicts, strict=True):
        value = WORTH[verdict.strict]
        if value is not None:
            a, b = answers_shown(row["g1_user_prompt"])
            kept.append((verdict.prompt_id, len(a), len(b), value))
    return _judged(kept)


def _judged(rows: Sequence[tuple[str, int, int, float | None]]) -> Judged:
    prompts, a, b, y = zip(*rows, strict=True)
    return Judged(prompts, np.array(a, float), np.array(b, float), np.array(y, float))


def logistic(form: Form) -> Fitter:
    """Logistic regression on one term, as ``handpicked`` fits it."""

    def learn(a: np.ndarray, b: np.ndarray, y: np.ndarray) -> Predict:
        n = len(a)

        def term(more_a: np.ndarray, more_b: np.ndarray) -> np.ndarray:
            """The scale is that of the learned rows and those asked for together, which hold no outcomes."""
            x = form(np.concatenate([a, more_a]), np.concatenate([b, more_b]))
            size = np.sqrt((x[:n] ** 2).mean()) or 1.0
            return np.asarray(x / size)

        none = np.zeros(0)
        beta, _ = fit(np.column_stack([np.ones(n), term(none, none)]), y, range(n))  # type: ignore[arg-type]
        return lambda more_a, more_b: np.asarray(
            1 / (1 + np.exp(-beta[0] - beta[1] * term(more_a, more_b)[n:]))
        )

    return learn


def alone(_: np.ndarray, __: np.ndarray, y: np.ndarray) -> Predict:
    """No control: the mean."""
    return lambda a, b: np.full(len(a), y.mean())


def window(a: np.ndarray, b: np.ndarray, y: np.ndarray) -> Predict:
    """The mean of the outcomes near a log ratio, weighted by a normal window over its ranks."""
    ratio = np.sort(_log(a, b))
    order = np.argsort(_log(a, b))

    def predict(more_a: np.ndarray, more_b: np.ndarray) -> np.ndarray:
        place = np.searchsorted(ratio, _log(more_a, more_b)) / len(ratio)
        weights = np.exp(-0.5 * ((place[:, None] - np.arange(len(ratio)) / len(ratio)) / WINDOW) ** 2)
        return np.asarray(np.clip((weights @ y[order]) / weights.sum(axis=1), 0.01, 0.99))

    return predict


def isotonic(a: np.ndarray, b: np.ndarray, y: np.ndarray) -> Predict:
    """Outcomes that only rise with the log ratio, by pooling adjacent violators (Ayer et al., 1955)."""
    order = np.argsort(_log(a, b))
    blocks: list[tuple[float, int]] = []
    for value in y[order]:
        total, count = float(value), 1
        while blocks and blocks[-1][0] / blocks[-1][1] >= total / count:
            before = blocks.pop()
            total, count = total + before[0], count + before[1]
        blocks.append((total, count))
    levels = np.concatenate([np.full(count, total / count) for total, count in blocks])
    ratio = _log(a, b)[order]
    return lambda more_a, more_b: np.clip(np.interp(_log(more_a, more_b), ratio, levels), 0.01, 0.99)


def _log(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray(np.log((a + 1) / (b + 1)))


REJECTED: Mapping[str, Form] = {
    "difference / rms, linear": lambda a, b: (a - b) / np.sqrt(((a - b) ** 2).mean()),
    "tanh(difference / rms), until now": lambda a, b: np.tanh((a - b) / np.sqrt(((a - b) ** 2).mean())),
    "tanh(difference / sd), AlpacaEval 2": lambda a, b: np.tanh((a - b) / (a - b).std()),
    "tanh(difference / median)": lambda a, b: np.tanh((a - b) * NORMAL / robust_scale(a - b)),
    "log ratio, linear": _log,
    "log ratio, at most 1": lambda a, b: np.clip(_log(a, b), -1, 1),
    "relative difference": lambda a, b: (a - b) / (a + b),
    "tanh(log ratio / median)": lambda a, b: np.tanh(_log(a, b) * NORMAL / robust_scale(_log(a, b))),
    "sign": lambda a, b: np.sign(a - b),
}
FITTERS: Mapping[str, Fitter] = {
    "no control": alone,
    **{name: logistic(form) for name, form in (*REJECTED.items(), *FORMS.items())},
    "window over the log ratio": window,
    "isotonic in the log ratio": isotonic,
}


def held_out(judged: Judged, learn: Fitter) -> tuple[float, float]:
    """Log-likelihood of held-out verdicts, over all and over those of nearly equal
    length; a mean of ``TIMES``.
    """
    of = {prompt: place for place, prompt in enumerate(dict.fromkeys(judged.prompts))}
    place = np.array([of[prompt] for prompt in judged.prompts])
    totals = np.zeros(2)
    for time in range(TIMES):
        fold = np.random.default_rng(time).permutation(len(of)) % FOLDS
        for k in range(FOLDS):
            out = fold[place] == k
            if not out.any():
                continue
            p = learn(judged.a[~out], judged.b[~out], judged.y[~out])(judged.a[out], judged.b[out])
            score = judged.y[out] * np.log(p) + (1 - judged.y[out]) * np.log(1 - p)
            totals += score.sum(), score[judged.near[out]].sum()
    return float(totals[0] / TIMES), float(totals[1] / TIMES)


def at_zero(judged: Judged, learn: Fitter) -> float:
    """The win rate where both answers have the median length."""
    same = np.array([np.median(np.concatenate([judged.a, judged.b]))])
    return float(learn(judged.a, judged.b, judged.y)(same, same)[0])


def show_fit(sets: Mapping[str, Judged], published: Mapping[str, float]) -> None:
    """The first two tables."""
    base = {name: held_out(judged, alone) for name, judged in sets.items()}
    rates = list(published)
    print("fit to held-out verdicts, and percent at equal length; published, within 20%:")
    near = {name: 100 * sets[name].y[sets[name].near].mean() for name in rates}
    print(f"{'':37}{'all':>7}{'near':>7}  " + " ".join(f"{name[:12]:>12}" for name in rates) + "  mean error")
    print(f"{'published':37}{'':16}" + " ".join(f"{published[name]:12.1f}" for name in rates))
    print(
        f"{'pairs within 20% of equal length':37}{'':16}" + " ".join(f"{near[name]:12.1f}" for name in rates)
    )
    for label, learn in FITTERS.items():
        gained = np.zeros(2)
        for name, judged in sets.items():
            gained += np.array(held_out(judged, learn)) - base[name]
        found = {name: 100 * at_zero(sets[name], learn) for name in rates}
        error = np.mean([abs(found[name] - published[name]) for name in rates])
        cells = " ".join(f"{found[name]:12.1f}" for name in rates)
        print(f"{label:37}{gained[0]:7.1f}{gained[1]:7.1f}  {cells}  {error:.2f}", flush=True)


LAWS: Mapping[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "difference, bounded softly": lambda a, b: 2 * np.tanh((a - b) / 200),
    "difference, cut off": lambda a, b: np.clip((a - b) / 400, -2, 2),
    "log ratio": lambda a, b: 1.5 * np.log(a / b),
    "log ratio, bounded": lambda a, b: 1.5 * np.tanh(2 * np.log(a / b)),
    "which is longer": lambda a, b: 1.1 * np.sign(a - b),
}
"""Log-odds of a judge that looks at nothing but lengths."""


def lengths(n: int, loops: float, shift: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Log-normal lengths, ``a`` longer by ``shift`` in the log; of ``loops`` of its answers
    3,000 to 6,000 characters.
    """
    both = np.exp(rng.normal(6.2, 0.8, n))
    a, b = both * np.exp(rng.normal(shift, 0.4, n)), both * np.exp(rng.normal(0, 0.4, n))
    looping = rng.random(n) < loops
    a[looping] = rng.uniform(3000, 6000, looping.sum())
    return np.ceil(a), np.ceil(b)


def wins(form: Form, law: str, n: int, loops: float, shift: float, runs: int) -> float:
    """Share of runs in which the interval at equal length lies above a half."""
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(runs):
        a, b = lengths(n, loops, shift, rng)
        y = (rng.random(n) < 1 / (1 + np.exp(-LAWS[law](a, b)))).astype(float)
        beta, parts = influences(np.column_stack([np.ones(n), form(a, b)]), y)
        found += bool(beta[0] > Z95 * np.sqrt((parts[:, 0] ** 2).sum()))
    return found / runs


def show_simulation(runs: int) -> None:
    """The third table: the worst over shares of loops and shifts, for each law, and
    the mean over everything.
    """
    print(
        f"a judge of length alone 'wins at equal length', percent of {runs} runs; worst of loops 0, 5, 10%:"
    )
    print(f"{'':37}" + " ".join(f"{law[:20]:>20}" for law in LAWS) + "  mean")
    for n in (200, 800):
        for label, form in (*REJECTED.items(), *FORMS.items()):
            cells = {
                law: [
                    100 * wins(form, law, n, loops, shift, runs)
                    for loops in (0, 0.05, 0.1)
                    for shift in (0.15, 0.4)
                ]
                for law in LAWS
            }
            mean = np.mean([value for values in cells.values() for value in values])
            shown = " ".join(f"{max(values):20.1f}" for values in cells.values())
            print(f"{n} {label:33}{shown}  {mean:.1f}", flush=True)


def published_rates(data: Path, names: Sequence[str]) -> dict[str, float]:
    """Length-controlled win rates in percent of AlpacaEval 1's leaderboard."""
    rows = pq.read_table(data / "alpaca_eval_alpaca_eval_gpt4_leaderboard.parquet").to_pylist()
    return {row[""]: float(row["length_controlled_winrate"]) for row in rows if row[""] in names}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds judge_meta/")
    parser.add_argument("--runs", type=int, default=300, help="simulated runs a cell")
    options = parser.parse_args()
    data = options.data / "judge_meta"
    sets = read(data)
    show_fit(sets, published_rates(data, list(sets)))
    show_simulation(options.runs)


if __name__ == "__main__":
    main()
