"""A headless Chromium, where the machine has one: what a page comes to, and a driver that types in it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None
)
DRIVER = shutil.which("chromedriver")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium on this machine (apt-get install chromium)"
)
needs_driver = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="no Chromium with its driver (apt-get install chromium chromium-driver)"
)


def dom(page: Path, profile: Path, *flags: str) -> str:
    """The document after the browser has loaded it and run whatever it would run."""
    command = [str(CHROMIUM), *FLAGS, "--hide-scrollbars", *flags, f"--user-data-dir={profile}"]
    done = subprocess.run(
        [*command, "--dump-dom", page.as_uri()], capture_output=True, text=True, check=True, encoding="utf-8"
    )
    return done.stdout


@contextmanager
def driven(profile: Path) -> Iterator[Any]:
    """A browser that a test drives, 1,400 pixels wide; it keeps what pages log."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in [*FLAGS, "--window-size=1400,900", f"--user-data-dir={profile}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()
