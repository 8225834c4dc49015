"""Take the pictures of docs/images: ``python tools/pictures.py``.

The report is that of the made-up run of the tests; the audit and the rows are of ``python-stdlib``, the
documentation of the running Python. So nothing in them is private, and no training is needed. Needs Chromium with its driver, and selenium (dev group).
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.append(str(REPOSITORY / "tests"))

from handpicked.report import render  # noqa: E402
from made_run import usual  # noqa: E402

IMAGES = REPOSITORY / "docs" / "images"
WIDTH, HEIGHT = 1200, 760
LARGEST = 200_000
"""Bytes of a picture at most."""
HANDPICKED = [sys.executable, "-m", "handpicked"]


@contextmanager
def browser() -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    for flag in ("--headless=new", "--no-sandbox", "--hide-scrollbars", f"--window-size={WIDTH},{HEIGHT}"):
        options.add_argument(flag)
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False},
    )
    try:
        yield driver
    finally:
        driver.quit()


@contextmanager
def explored(folder: Path) -> Iterator[str]:
    """The address at which ``handpicked explore`` serves a folder."""
    command = [*HANDPICKED, "explore", str(folder), "--no-open"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=folder.parent) as server:
        assert server.stderr is not None
        try:
            yield next(found[0] for line in server.stderr if (found := re.search(r"http://\S+", line)))
        finally:
            server.terminate()


def take(driver: webdriver.Chrome, address: str, name: str) -> None:
    """Open a page and write its first screen."""
    driver.get(address)
    time.sleep(3)  # the rows of explore are asked for after the page is there
    picture = IMAGES / f"{name}.png"
    driver.save_screenshot(str(picture))
    size = picture.stat().st_size
    if size > LARGEST:
        sys.exit(f"{picture}: {size:,} bytes; at most {LARGEST:,} are allowed")
    print(f"{picture}: {size:,} bytes")


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as made, browser() as driver:
        folder = Path(made)
        audit = [*HANDPICKED, "audit", "python-stdlib", "-o", "audit"]
        select = [
            *HANDPICKED,
            "select",
            "python-stdlib",
            "--by",
            "longest",
            "--size",
            "1000",
            "-o",
            "longest-1k",
        ]
        for command in (audit, select):
            subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        (folder / "report.html").write_text(render(usual()), encoding="utf-8")
        take(driver, (folder / "report.html").as_uri(), "report")
        take(driver, (folder / "audit" / "audit.html").as_uri(), "audit")
        with explored(folder / "longest-1k") as address:
            take(driver, address, "explore")


if __name__ == "__main__":
    main()
