"""The page in a real browser: its script runs, by mouse and by keyboard."""

import json
import shutil

import numpy as np
import pytest

from gan_jax.report.grids import save_png
from gan_jax.run_report import write_report
from gan_jax.workdir import save_config

pytestmark = [
    pytest.mark.browser,
    # Selenium leaves sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

PERCENT = {"title": "GAN-test", "unit": "%", "digits": 2, "better": "largest"}


@pytest.fixture(scope="module")
def browser():
    webdriver = pytest.importorskip("selenium.webdriver")
    chromium, driver = map(shutil.which, ("chromium", "chromedriver"))
    if not chromium or not driver:
        pytest.skip("needs chromium and chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(executable_path=driver)
    browser = webdriver.Chrome(options=options, service=service)
    yield browser
    browser.quit()


@pytest.fixture(scope="module")
def runs(tmp_path_factory, small_config):
    """Three folders; GAN-test is 90, 95 and missing."""
    folder = tmp_path_factory.mktemp("runs")
    for number, score in enumerate((0.9, 0.95, None)):
        run = folder / f"a_rather_long_name_of_a_run_{number}"
        run.mkdir()
        save_config(run, small_config({"seed": number}))
        rows = [{"step": s, "generator_loss": s / 4 + number} for s in (100, 200, 300)]
        (run / "metrics.jsonl").write_text(
            "".join(json.dumps(row) + "\n" for row in rows)
        )
        if score is not None:
            evaluation = {
                "step": 300,
                "metrics": {"gan_test": PERCENT},
                "gan_test": {"mean": score, "std": 0.01},
                "class_frequencies": [0.1] * 10,
                "health": [],
            }
            (run / "evaluation.json").write_text(json.dumps(evaluation))
        for step in (100, 200, 300):
            grid = np.full((400, 900, 1), step % 256, np.uint8)
            save_png(run / f"samples/step_{step:08}.png", grid)
        save_png(run / "interpolation.png", np.zeros((60, 1200, 1), np.uint8))
    return sorted(folder.iterdir())


@pytest.fixture
def open_page(browser):
    """open_page(path, width) -> the browser with the page; no errors at its end."""

    def open_page(path, width=1000):
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False},
        )
        browser.get(path.as_uri())
        return browser

    yield open_page
    assert browser.get_log("browser") == []


def press(browser, element, *keys):
    browser.execute_script("arguments[0].focus()", element)
    for key in keys:
        browser.switch_to.active_element.send_keys(key)


def test_slider_changes_the_picture(runs, open_page):
    browser = open_page(write_report(runs[0]))
    slider = browser.find_element("css selector", ".samples input")

    def seen():
        images = browser.find_elements("css selector", ".samples img")
        return [
            image.get_attribute("data-step") for image in images if image.is_displayed()
        ]

    assert seen() == ["step 300"]
    press(browser, slider, "\ue012")  # left
    assert seen() == ["step 200"]
    assert browser.find_element("css selector", ".samples output").text == "step 200"
    assert slider.get_attribute("aria-valuetext") == "step 200"


def test_curves_tell_the_values_at_a_step(runs, open_page):
    browser = open_page(write_report(runs[0]))
    plot = browser.find_element("css selector", ".plot")
    legend = browser.find_element("css selector", ".legend")

    def told():
        return " ".join(legend.text.split())

    assert told() == "step 300 generator 75"
    # To the middle of the plot, by mouse.
    actions = pytest.importorskip("selenium.webdriver").ActionChains(browser)
    actions.scroll_to_element(plot).move_to_element(plot).perform()
    assert told() == "step 200 generator 50"
    assert browser.find_element("css selector", ".cursor").get_attribute("d") == (
        "M500,0V1000"
    )
    actions.move_to_element(browser.find_element("css selector", "h1")).perform()
    assert told() == "step 300 generator 75"
    press(browser, plot, "\ue012", "\ue012", "\ue012")
    assert told() == "step 100 generator 25"
    assert plot.get_attribute("aria-valuetext") == "step 100, generator 25"


def test_table_sorts_by_keyboard(runs, open_page, tmp_path):
    browser = open_page(write_report(tmp_path, runs))
    run, _, score = browser.find_elements("css selector", ".sortable button")

    def order():
        rows = browser.find_elements("css selector", ".sortable tbody th")
        return [int(row.text[-1]) for row in rows]

    def header(button):
        return button.find_element("xpath", "..").get_attribute("aria-sort")

    press(browser, score, "\ue007")  # enter: the best first, what is missing last
    assert (order(), header(score)) == ([1, 0, 2], "descending")
    press(browser, score, " ")
    assert (order(), header(score)) == ([0, 1, 2], "ascending")
    press(browser, run, "\ue007", "\ue007")
    assert (order(), header(run), header(score)) == ([2, 1, 0], "descending", None)


@pytest.mark.parametrize("compared", [False, True])
def test_narrow_windows_do_not_scroll_sideways(runs, open_page, tmp_path, compared):
    path = write_report(tmp_path, runs) if compared else write_report(runs[0])
    browser = open_page(path, width=375)
    # With everything unfolded.
    browser.execute_script(
        "document.querySelectorAll('details').forEach((each) => (each.open = true))"
    )
    page = "document.documentElement"
    content, window = browser.execute_script(
        f"return [{page}.scrollWidth, {page}.clientWidth]"
    )
    assert content <= window <= 375
