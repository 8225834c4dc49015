"""The sections of a run's page, in order. The contents and the page are made of this one list."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Section:
    """``id`` is its place on the page (``report.html#loss``), ``template`` its file below
    ``templates/sections``.
    """

    id: str
    title: str
    template: str


SECTIONS = (
    Section("preferred", "Whose answers are preferred?", "comparisons"),
    Section("control", "Is it the answer, or its length and form?", "control"),
    Section("sizes", "How few rows are enough?", "sizes"),
    Section("seeds", "How much do the seeds matter?", "seeds"),
    Section("ranking", "How do all arms rank?", "rankings"),
    Section("loss", "Who predicts the reference answers best?", "loss"),
    Section("benchmarks", "Does it know more, or only talk longer?", "benchmarks"),
    Section("selected", "What did each arm select?", "lengths"),
    Section("instructions", "What do the instructions ask for?", "instructions"),
    Section("differ", "How do the subsets differ?", "audit"),
    Section("training", "How did training go?", "training"),
    Section("answers", "How long are the answers?", "answers"),
    Section("style", "Which style goes with being preferred, at equal length?", "preference"),
    Section("judges", "Can the judge be trusted?", "judges"),
    Section("people", "Do people agree with the judge?", "people"),
    Section("samples", "Read for yourself", "samples"),
    Section("cost", "What did it take?", "cost"),
    Section("provenance", "Where does this come from?", "provenance"),
)
