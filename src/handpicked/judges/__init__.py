"""Pairwise judging in both orders. A judge is a folder with judge.yaml and prompt.txt."""

from handpicked.judges.folder import JudgeFolder, listed_judges, load_judge, shipped_judges
from handpicked.judges.local import runs_here
from handpicked.judges.pairwise import judge, judge_label, write_requests
from handpicked.judges.stored import read_verdicts, write_verdicts

__all__ = [
    "JudgeFolder",
    "judge",
    "judge_label",
    "listed_judges",
    "load_judge",
    "read_verdicts",
    "runs_here",
    "shipped_judges",
    "write_requests",
    "write_verdicts",
]
