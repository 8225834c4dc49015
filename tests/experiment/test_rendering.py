"""``hp.render``: the page of a run again, or several runs on one page."""

from __future__ import annotations

import pytest

import handpicked as hp
from handpicked.report import write
from made_run import made


def test_one_run_is_rendered_in_its_own_folder_or_elsewhere(tmp_path):
    results = made()
    write(results, tmp_path / "run")
    (tmp_path / "run" / "report.html").unlink()
    rendered = hp.render(tmp_path / "run")
    assert rendered.page == tmp_path / "run" / "report.html" and rendered.page.is_file()
    assert rendered.results[0].answer == results.answer
    assert hp.render(str(tmp_path / "run"), tmp_path / "other").page == tmp_path / "other" / "report.html"


def test_several_runs_are_compared_on_one_page(tmp_path):
    for name in ("one", "two"):
        write(made(), tmp_path / name)
    rendered = hp.render([tmp_path / "one", tmp_path / "two"], tmp_path / "both")
    assert rendered.page == tmp_path / "both" / "comparison.html" and len(rendered.results) == 2
    assert rendered.page.is_file()


def test_a_folder_without_results_is_a_store_error(tmp_path):
    with pytest.raises(hp.StoreError, match=r"has no results\.json"):
        hp.render(tmp_path)
