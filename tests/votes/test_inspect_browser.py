"""The page in a real browser, by its keys: votes, undo, notes, unveiling; hostile texts run nothing."""

from __future__ import annotations

import pytest
from test_inspect_server import served

from handpicked.records import to_json
from headless import driven, needs_driver
from made_folder import CANDIDATE, events, prompts, run_folder, write

pytest.importorskip("selenium.webdriver", reason="no selenium (pip install selenium)")
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

pytestmark = needs_driver
HOSTILE = (
    "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\"></div></article>"
    "<iframe src='javascript:parent.document.title=\"owned\"'></iframe><style>*{display:none}</style>"
    "\u202e\u0000{{7*7}}${7*7}]]>&lt;\ud800"
)


class Page:
    """A browser on the page. ``press`` types keys where the focus is and waits for the server's answer."""

    def __init__(self, driver):
        self.driver = driver
        self.wait = WebDriverWait(driver, 60, poll_frequency=0.05)

    def open(self, address, name):
        self.driver.get(address)
        self.wait.until(lambda d: d.find_element(By.ID, "name").is_displayed())
        self.driver.find_element(By.ID, "name").send_keys(name, Keys.ENTER)
        self.wait.until(lambda d: d.find_element(By.ID, "progress").is_displayed())

    def press(self, *keys):
        self.driver.switch_to.active_element.send_keys(*keys)

    def until_count(self, count):
        self.wait.until(lambda _: self.text("count") == count)

    def text(self, id):
        # WebDriver cannot carry a lone surrogate
        return self.driver.execute_script(
            "return document.getElementById(arguments[0]).textContent.toWellFormed()", id
        )

    def shown(self, id):
        return self.driver.find_element(By.ID, id).is_displayed()

    def unveil(self):
        self.press("u")
        self.wait.until(lambda _: self.shown("confirm"))
        self.press(Keys.ENTER)
        self.wait.until(lambda _: self.shown("results"))


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    with driven(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture
def page(driver):
    return Page(driver)


def test_an_annotator_votes_by_keys_takes_back_and_unveils(page, tmp_path):
    folder = run_folder(tmp_path / "run")
    with served(folder, "--limit", 4) as (_, address):
        page.open(address, "Ann")
        assert page.text("count") == "0 of 4" and CANDIDATE not in page.driver.page_source
        page.press("d")
        page.press("n")
        page.press("1 and z are letters here", Keys.ESCAPE)
        page.press("1")
        page.until_count("1 of 4")
        prompt = page.text("prompt")
        page.press("t")
        page.until_count("2 of 4")
        page.press("z")
        page.until_count("1 of 4")
        assert page.text("prompt") == prompt
        page.press("i", "o", "i", Keys.ARROW_RIGHT)
        page.until_count("2 of 4")
        page.press("2")
        page.until_count("3 of 4")
        page.press("3")
        page.wait.until(lambda _: page.shown("finished"))
        page.unveil()
        assert CANDIDATE in page.text("pairs") and "kappa" in page.text("said")
        assert page.driver.find_element(By.ID, "undo").get_property("disabled")
    kinds = [event["event"] for event in events(folder)]
    assert kinds == ["vote", "vote", "retract", "vote", "vote", "vote", "unveil"]
    votes = [event for event in events(folder) if event["event"] == "vote"]
    assert [vote["tags"] for vote in votes] == [["more detail"], [], ["other"], [], []]
    assert votes[0]["note"] == "1 and z are letters here" and votes[0]["seconds"] > 0
    assert page.driver.get_log("browser") == []


def test_two_annotators_by_buttons_and_a_page_loaded_again(page, tmp_path):
    folder = run_folder(tmp_path / "run")
    with served(folder, "--limit", 2) as (_, address):
        page.open(address, "Ann")
        page.driver.find_element(By.CSS_SELECTOR, "[data-choice=first]").click()
        page.until_count("1 of 2")
        page.driver.refresh()
        page.until_count("1 of 2")
        page.driver.find_element(By.CSS_SELECTOR, "[data-choice=tie]").click()
        page.wait.until(lambda _: page.shown("finished"))
        page.driver.execute_script("sessionStorage.clear()")
        page.open(address, "Bob")
        page.until_count("0 of 2")
        page.press("1")
        page.until_count("1 of 2")
        page.unveil()
        assert "Ann and Bob" in page.text("summary")
        assert len(page.driver.find_elements(By.CSS_SELECTOR, "details.pair")) == 1
        page.press(Keys.ENTER)
        page.wait.until(lambda _: page.shown("voting"))
    assert [event["annotator"] for event in events(folder)] == ["Ann", "Ann", "Bob", "Bob"]


def test_a_server_that_is_gone_is_reported_and_the_vote_is_not_pretended(page, tmp_path):
    folder = run_folder(tmp_path / "run")
    with served(folder) as (process, address):
        page.open(address, "Ann")
        process.kill()
        process.wait()
        page.press("1")
        page.wait.until(lambda _: page.shown("problem"))
        assert "does not answer" in page.text("problem") and page.text("count") == "0 of 12"
    page.driver.get_log("browser")


def test_hostile_texts_are_shown_and_run_nothing(page, tmp_path):
    folder = run_folder(
        tmp_path / "run", 3, judges=(f"judge {HOSTILE[:40]}".replace("/", "-"),), hostile=HOSTILE
    )
    lines = [
        to_json(prompt).replace("how do I sort a list?", "<script>document.title='owned'</script>")
        for prompt in prompts(3)
    ]
    write(folder / "prompts.jsonl", lines)
    with served(folder) as (_, address):
        page.open(address, "<b onclick=alert(1)>Ann</b>")
        assert "<img src=x onerror" in page.text("first") and "<script>" in page.text("prompt")
        for i in range(1, 4):
            page.press("n")
            page.press("<script>document.title='owned'</script>", Keys.ESCAPE)
            page.press("1")
            page.until_count(f"{i} of 3")
        page.unveil()
        for pair in page.driver.find_elements(By.CSS_SELECTOR, "details.pair"):
            pair.click()
        assert "<img src=x onerror" in page.text("pairs") and "<b onclick" in page.text("who")
        assert (
            page.driver.find_elements(By.CSS_SELECTOR, "img, iframe, main style, main script, b[onclick]")
            == []
        )
        assert page.driver.title == "run: inspect"
    assert page.driver.get_log("browser") == [], "the policy had to stop something"


@pytest.mark.parametrize("width", [390, 820, 1400])
def test_nothing_is_wider_than_the_window(page, tmp_path, width):
    folder = run_folder(tmp_path / "run", 2, hostile=" " + "w" * 300)
    page.driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False},
    )
    overflow = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    with served(folder) as (_, address):
        page.open(address, "Ann" * 20)
        assert page.driver.execute_script(overflow) <= 0
        page.press("1")
        page.until_count("1 of 2")
        page.unveil()
        page.driver.find_element(By.CSS_SELECTOR, "details.pair").click()
        assert page.driver.execute_script(overflow) <= 0
    page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
