"""Small benchmark files with made-up rows, in the shapes of the shared data folder.
Seeded, and never quoted.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

WORDS = [
    "stone",
    "river",
    "tree",
    "night",
    "field",
    "bird",
    "cloud",
    "house",
    "road",
    "lamp",
    "bread",
    "snow",
]
SUBJECTS = ("anatomy", "astronomy", "virology")


def write_benchmarks(folder: Path, rows: int = 6) -> Path:
    """Files of every benchmark in ``folder``; examples come from a train file only
    where there is one below.
    """
    rng = random.Random(0)
    say = lambda n: " ".join(rng.choices(WORDS, k=n))  # noqa: E731
    some = range(rows)
    files: dict[str, list[dict[str, Any]]] = {
        "arc_challenge_test": [
            {
                "id": str(i),
                "question": f"{say(4)}?",
                "choices": rng.sample(WORDS, 4),
                "answerKey": "ABCD"[i % 4],
            }
            for i in some
        ],
        "arc_challenge_val": [
            {
                "id": str(i),
                "question": f"{say(3)}?",
                "choices": {"text": rng.sample(WORDS, 4), "label": list("ABCD")},
                "answerKey": "ABCD"[i % 4],
            }
            for i in range(30)
        ],
        "hellaswag_val": [
            {
                "ind": i,
                "activity_label": say(1),
                "ctx_a": say(4),
                "ctx_b": say(2),
                "endings": [say(3) for _ in range(4)],
                "label": str(i % 4),
            }
            for i in range(max(rows, 12))
        ],
        "mmlu_test": [_exam(rng, subject, i) for subject in SUBJECTS[:2] for i in some],
        "mmlu_dev": [_exam(rng, subject, i) for subject in SUBJECTS for i in range(5)],
        "truthfulqa_mc_v1": [
            {
                "question": f"{say(4)}?",
                "mc1_choices": [say(2), say(3)],
                "mc1_labels": [1, 0],
                "mc2_choices": [say(2) for _ in range(4)],
                "mc2_labels": [1, 1, 0, 0],
            }
            for _ in some
        ],
        "winogrande_xl_val": [
            {
                "sentence": f"The {say(2)} saw the _ {say(2)}.",
                "option1": "bird",
                "option2": "lamp",
                "answer": str(1 + i % 2),
            }
            for i in range(max(rows, 8))
        ],
        "gsm8k_test": [{"question": f"{say(5)} {i}?", "answer": f"{say(3)}\n#### {i}"} for i in some],
        "gsm8k_train": [{"question": f"{say(4)} {i}?", "answer": f"{say(3)}\n#### {i}"} for i in range(8)],
        "bbh": [
            {"task": task, "input": say(4), "target": rng.choice(["yes", "no"])}
            for task in ("navigate", "web_of_lies")
            for _ in some
        ],
        "ifeval": [
            {
                "key": i,
                "prompt": f"{say(4)}.",
                "instruction_id_list": ["punctuation:no_comma", "length_constraints:number_sentences"],
                "kwargs": json.dumps([{}, {"relation": "at least", "num_sentences": 1}]),
            }
            for i in some
        ],
        "longform_test": [{"input": f"{say(5)}.", "output": say(20)} for _ in some],
        "eli5_lfqa_subset": [
            {
                "dataset": "ELI5_MODEL" if i == 1 else "ELI5",
                "q_id": str(i),
                "question": f"{say(5)}?",
                "answer_paragraph": say(20),
            }
            for i in some
        ],
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, written in files.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in written))
    return folder


def _exam(rng: random.Random, subject: str, i: int) -> dict[str, Any]:
    question = " ".join(rng.choices(WORDS, k=4))
    return {
        "subject": subject,
        "question": question,
        **{letter: rng.choice(WORDS) for letter in "ABCD"},
        "answer": "ABCD"[i % 4],
    }
