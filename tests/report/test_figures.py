"""The figures of the page: their numbers are those of the results, and their charts are the page's alone."""

from __future__ import annotations

from pathlib import Path

import handpicked.report
from handpicked.pages.table import markdown, text
from handpicked.pages.text import percent, percent_interval
from handpicked.report.figures import comparison_figure, loss_figure
from handpicked.report.headline import headline_comparisons
from made_run import CANDIDATE, usual


def test_a_figure_has_the_numbers_of_every_headline_comparison_and_charts_only_on_the_page():
    found, met = comparison_figure(usual()), headline_comparisons(usual())
    assert [(row[3].text, row[4].text) for row in found.rows] == [
        (percent(c.strict.win_rate.value), percent_interval(c.strict.win_rate)) for c in met
    ]
    assert all("<svg" in (row[1].drawn or "") and "<svg" in (row[2].drawn or "") for row in found.rows)
    assert [column.head for column in found.heads] == ["Rival", "Win rate", "95%", "n"]
    assert "svg" not in markdown(found) and "svg" not in text(found)


def test_the_candidate_is_set_apart_and_has_no_difference_to_itself():
    found = loss_figure(usual(), (-1.0, 1.0), CANDIDATE)
    names = [arm.name for arm in usual().arms if arm.loss]
    assert [names[place] for place in found.marked] == [CANDIDATE]
    own = found.rows[names.index(CANDIDATE)]
    assert (own[3].text, own[4].text) == ("", "") and own[2].text != ""


def test_no_template_of_a_run_writes_a_table_of_its_own():
    folder = Path(handpicked.report.__file__).parent / "templates"
    own = {path.name for path in folder.rglob("*.j2") if "<table" in path.read_text(encoding="utf-8")}
    assert own == {"provenance.html.j2"}  # it has a cell over several columns
