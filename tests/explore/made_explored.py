"""Pools with all that a conversation may hold, and folders made of them."""

from __future__ import annotations

import json

import handpicked as hp
from made_folder import run_folder

HOSTILE = (
    "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\"></div></article>"
    "<iframe src='javascript:parent.document.title=\"owned\"'></iframe><style>*{display:none}</style>"
    "[click](javascript:document.title='owned') "
    "![x](https://attacker.example/x.png)\u202e\u0000{{7*7}}]]>&lt;"
)


def alpaca(rows=40):
    """Rows of growing length; row 7 has no response, row 9 is hostile."""
    made = [
        {
            "instruction": f"Question {i}: how does one sort list number {i}?",
            "input": "",
            "output": "word " * (i + 1),
            "level": i / 10,
            "topic": ("sorting", "searching", "naïve Bayes")[i % 3],
            "checked": i % 2 == 0,
        }
        for i in range(rows)
    ]
    made[7]["output"] = ""
    made[9]["output"] = HOSTILE
    made[11]["level"] = None
    return made


def chat():
    """A thought, a tool call with its result, Markdown, and a turn that is not learned."""
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
    return [
        {
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "How is the weather in Oslo?"},
                {"role": "assistant", "content": "", "tool_calls": [call]},
                {"role": "tool", "tool_call_id": "c1", "content": '{"sky": "rain"}'},
                {
                    "role": "assistant",
                    "content": "<think>It says rain.</think>\n\nIt **rains**.\n\n- wet\n- cold\n\n```py\nx = 1\n```",
                },
            ],
            "tools": [{"type": "function", "function": {"name": "weather"}}],
        },
        {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]},
    ]


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


SELECTORS = {"longest": hp.Longest(), "random": hp.Random(1), "shortest": hp.Shortest()}


def selection(pool, out, size=5, by="longest"):
    """What ``handpicked select`` writes."""
    hp.select(hp.read(pool), SELECTORS[by], size=size).write(out)
    return out


def run(folder, arms=("longest", "random"), sizes=(5, 5)):
    """The subsets of a run, of the pool that the run split off, and judged answers of two arms."""
    run_folder(folder, hostile=HOSTILE)
    rest = folder / "pool" / "rest"
    rest.mkdir(parents=True)
    write(rest / "selected.jsonl", alpaca())
    for arm, size in zip(arms, sizes, strict=True):
        selection(rest / "selected.jsonl", folder / "subset" / arm, size, arm.split("-")[0])
    (folder / "experiment.json").write_text(json.dumps({"pool": {"path": "gone.jsonl"}, "arms": {}}))
    return folder
