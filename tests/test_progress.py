"""Progress from Python: a bar where somebody sees it, and silence elsewhere."""

from __future__ import annotations

import io
import subprocess
import sys
import time
import types
import warnings

import pytest

from handpicked.progress import in_notebook, shown

SELECT = (
    "import handpicked as hp; hp.select([{'prompt': 'a', 'response': 'b ' * n} for n in range(1, 9)], size=2)"
)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_shows_a_bar_that_goes_when_it_is_done(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with shown("score", 4) as step:
        step(1)
        time.sleep(0.2)  # it is drawn ten times a second at most
        step(2)
    text = sys.stderr.getvalue()
    assert "score" in text and "3/4" in text
    assert text.rstrip(" ").endswith("\r"), "the line is free again"


def test_a_pipe_shows_nothing_and_tqdm_is_not_even_imported():
    code = f"{SELECT}; import sys; print('tqdm' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("False\n", "")


@pytest.fixture
def kernel(monkeypatch):
    """What the kernel of a notebook looks like from inside."""
    shell = types.SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    return shell


def test_a_notebook_shows_a_bar_though_it_has_no_terminal(kernel, monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert in_notebook()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with shown("score", 2) as step:
            step(2)
    assert "score" in sys.stderr.getvalue()


def test_ipython_in_a_terminal_and_no_ipython_are_no_notebook(kernel, monkeypatch):
    del kernel.kernel
    assert not in_notebook()
    monkeypatch.delitem(sys.modules, "IPython")
    assert not in_notebook()


def test_an_error_below_the_bar_goes_through_it(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with pytest.raises(ZeroDivisionError), shown("score", None) as step:
        step(1 / 0)
