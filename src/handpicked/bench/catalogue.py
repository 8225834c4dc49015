"""The benchmarks that have a name in handpicked: their definition in lm-evaluation-harness, shots and metric.

The six of the Open LLM Leaderboard and BBH are the paper's (Shen, 2024, arXiv 2402.06094),
with the leaderboard's shots.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Benchmark:
    """One benchmark.

    ``folder`` holds the definition, below lm-eval's own ``tasks``, or ours below ``definitions``; ``task`` is
    its name there, and ``group`` says that it is a group of tasks, whose rows are distinguished by the field
    of that name. ``metric`` is the number it is read by, as lm-eval names it. ``splits`` maps what the
    definition reads to the file names it may have in a local folder, ``shots_from`` is the split that
    examples come from (``None``: the definition holds them, or there are none).

    ``size`` counts its rows, ``requests`` those to the model a row, ``prompt_tokens`` and ``new_tokens`` the
    mean of one request (SmolLM2's tokenizer): what a dry run multiplies; answers of ``one_token`` share one
    forward pass. ``free_text`` answers are written in the arm's chat template; everything else is completed
    as it is, as published numbers are. ``question`` is the field of a document that asks; empty where a
    document asks nothing but is a text to be completed.
    """

    name: str
    about: str
    source: str
    hub: str
    folder: str
    task: str
    shots: int
    metric: str
    splits: Mapping[str, str] = field(default_factory=dict)
    shots_from: str | None = None
    group: str | None = None
    free_text: bool = False
    short_answer: bool = False
    one_token: bool = False
    question: str = ""
    size: int = 0
    requests: int = 1
    prompt_tokens: int = 0
    new_tokens: int = 0

    @property
    def generates(self) -> bool:
        """Whether answers are generated; else the likelihoods of given answers are compared."""
        return self.new_tokens > 0


LISTED = (
    Benchmark(
        "arc-challenge",
        "grade-school science questions, 25-shot",
        "Clark et al. 2018, arXiv 1803.05457",
        "allenai/ai2_arc",
        "arc",
        "arc_challenge",
        25,
        "acc_norm,none",
        {
            "train": "arc_challenge_train",
            "validation": "arc_challenge_val(idation)?|arc_challenge_dev",
            "test": "arc_challenge_test",
        },
        "train",
        question="question",
        size=1172,
        requests=4,
        prompt_tokens=1040,
    ),
    Benchmark(
        "hellaswag",
        "which ending is plausible, 10-shot",
        "Zellers et al. 2019, arXiv 1905.07830",
        "Rowan/hellaswag",
        "hellaswag",
        "hellaswag",
        10,
        "acc_norm,none",
        {"train": "hellaswag_train", "validation": "hellaswag_val(idation)?"},
        "train",
        size=10042,
        requests=4,
        prompt_tokens=810,
    ),
    Benchmark(
        "mmlu",
        "exam questions of 57 subjects, 5-shot",
        "Hendrycks et al. 2021, arXiv 2009.03300",
        "cais/mmlu",
        "mmlu/default",
        "mmlu",
        5,
        "acc,none",
        {"dev": "mmlu_dev", "test": "mmlu_test"},
        "dev",
        group="subject",
        one_token=True,
        question="question",
        size=14042,
        requests=4,
        prompt_tokens=840,
    ),
    Benchmark(
        "truthfulqa-mc2",
        "probability given to true answers, 0-shot (six fixed examples)",
        "Lin et al. 2022, arXiv 2109.07958",
        "truthfulqa/truthful_qa",
        "truthfulqa",
        "truthfulqa_mc2",
        0,
        "acc,none",
        {"validation": "truthfulqa_mc(_v1)?|mc_task|(truthful_?qa_)?multiple_choice_val(idation)?"},
        question="question",
        size=817,
        requests=7,
        prompt_tokens=200,
    ),
    Benchmark(
        "winogrande",
        "what a pronoun refers to, 5-shot",
        "Sakaguchi et al. 2019, arXiv 1907.10641",
        "allenai/winogrande",
        "winogrande",
        "winogrande",
        5,
        "acc,none",
        {
            "train": r"winogrande(_xl)?_train|winogrande_1\.1_train_xl",
            "validation": r"winogrande(_xl)?_val(idation)?|winogrande_1\.1_dev",
        },
        "train",
        size=1267,
        requests=2,
        prompt_tokens=145,
    ),
    Benchmark(
        "gsm8k",
        "grade-school arithmetic in words, 5-shot, exact final number",
        "Cobbe et al. 2021, arXiv 2110.14168",
        "openai/gsm8k",
        "gsm8k",
        "gsm8k",
        5,
        "exact_match,strict-match",
        {"train": "gsm8k_train|grade_school_math_train", "test": "gsm8k_test|grade_school_math_test"},
        "train",
        short_answer=True,
        question="question",
        size=1319,
        prompt_tokens=1020,
        new_tokens=120,
    ),
    Benchmark(
        "bbh",
        "27 hard tasks of BIG-Bench, 3-shot chain of thought",
        "Suzgun et al. 2022, arXiv 2210.09261",
        "SaylorTwift/bbh",
        "bbh/cot_fewshot",
        "bbh",
        3,
        "exact_match,get-answer",
        {"test": "bbh"},
        group="task",
        short_answer=True,
        question="input",
        size=6511,
        prompt_tokens=800,
        new_tokens=150,
    ),
    Benchmark(
        "ifeval",
        "instructions that a program can verify, 0-shot",
        "Zhou et al. 2023, arXiv 2311.07911",
        "google/IFEval",
        "ifeval",
        "ifeval",
        0,
        "prompt_level_strict_acc,none",
        {"train": "ifeval(_train)?|(ifeval_)?input_data"},
        free_text=True,
        question="prompt",
        size=541,
        prompt_tokens=40,
        new_tokens=400,
    ),
    Benchmark(
        "longform",
        "long answers compared with human ones, METEOR and ROUGE-L",
        "Köksal et al. 2023, arXiv 2304.08460",
        "akoksal/LongForm",
        "",
        "longform",
        0,
        "meteor,none",
        {"test": "longform(_test)?"},
        free_text=True,
        question="input",
        size=2045,
        prompt_tokens=80,
        new_tokens=400,
    ),
    Benchmark(
        "eli5",
        "long answers to questions from lay people, METEOR and ROUGE-L",
        "Fan et al. 2019, arXiv 1907.09190",
        "facebook/kilt_tasks",
        "",
        "eli5",
        0,
        "meteor,none",
        {"validation": "eli5(_lfqa_subset|_val(idation)?)?"},
        free_text=True,
        question="input",
        size=1507,
        prompt_tokens=25,
        new_tokens=400,
    ),
)
BENCHMARKS: Mapping[str, Benchmark] = {benchmark.name: benchmark for benchmark in LISTED}

AVERAGES: Mapping[str, tuple[str, ...]] = {
    "avg1": ("arc-challenge", "hellaswag", "mmlu", "truthfulqa-mc2", "winogrande", "gsm8k"),
    "avg2": ("arc-challenge", "hellaswag", "mmlu", "truthfulqa-mc2", "winogrande", "gsm8k", "bbh"),
}
"""Unweighted means: of the Open LLM Leaderboard's six, and of these with BBH."""


def forward_tokens(benchmark: Benchmark, documents: int) -> int:
    """About how many tokens go through the model for ``documents`` documents."""
    passes = 1 if benchmark.one_token else benchmark.requests
    return documents * passes * (benchmark.prompt_tokens + benchmark.new_tokens)


def tasks_of(names: Iterable[str]) -> list[str]:
    """The tasks to run for ``names``, each once, with averages replaced by what they average."""
    return list(dict.fromkeys(task for name in names for task in AVERAGES.get(name, (name,))))
