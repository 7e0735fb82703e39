#!/usr/bin/env python3
"""The pages of `cugad report` in headless Chromium: no message on the console, no sideways scrolling on a phone or a
wide screen, a threshold that moves the counts, by mouse and keyboard, and texts of a hostile table as texts.

  tests/browser/report.py COMMAND [--screenshots FOLDER]

Skipped (exit code 77) without Chromium, its driver, or the Python package selenium.
"""
import argparse
import contextlib
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(77)


try:
    from selenium import webdriver
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
except ImportError:
    skip("the Python package selenium is missing (pip install selenium)")

HOSTILE = ["</script><script>document.title='broken'</script>", "<img src=x onerror=document.title='broken'>",
           "\"quoted\" 'twice' & more", "right\u202eleft", "{{data}}", "zero\u200bwidth"]


def run(command, *arguments):
    done = subprocess.run([command, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, f"{arguments}: {done.stderr}"
    return done.stdout


def labelled_page(command, folder):
    """A page with labels, explanations and training curves."""
    for name, rows, seed in (("train", 3000, 1), ("new", 4000, 2)):
        run(command, "synthesize", "telemetry", "--rows", rows, "--seed", seed, "--output", folder / f"{name}.csv")
    run(command, "train", folder / "train.csv", "--label-column", "label", "--normal", "normal", "--steps", 300, "--log",
        folder / "log", "--quiet", "--output", folder / "model")
    page = folder / "labelled.html"
    run(command, "report", folder / "new.csv", "--model", folder / "model", "--log", folder / "log", "--output", page)
    measures = json.loads(run(command, "evaluate", folder / "new.csv", "--model", folder / "model", "--json"))
    return page, measures


def hostile_page(command, folder):
    """A page whose names and cells try to be more than texts."""
    cells = lambda values: ",".join('"' + str(value).replace('"', '""') + '"' for value in values)
    rows = [cells([HOSTILE[0], HOSTILE[1], HOSTILE[2]])]
    rows += [cells([HOSTILE[r % 6], r % 7, r % 5]) for r in range(400)]
    (folder / "hostile.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "new.csv").write_text("\n".join([rows[0], cells([HOSTILE[3] + "!", 900, 3]), *rows[1:50]]) + "\n", encoding="utf-8")
    run(command, "train", folder / "hostile.csv", "--method", "knn", "--quiet", "--output", folder / "hostile")
    page = folder / "hostile.html"
    run(command, "report", folder / "new.csv", "--model", folder / "hostile", "--id", HOSTILE[0], "--output", page)
    return page


def image_page(command, folder):
    """A page of images; drawn without any library of images."""
    import struct
    import zlib

    def png(pixels, width, height):
        chunk = lambda kind, body: struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        lines = b"".join(b"\0" + bytes(pixels[y * width:(y + 1) * width]) for y in range(height))
        return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)) +
                chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b""))

    (folder / "images").mkdir()
    (folder / "new").mkdir()
    for i in range(60):
        pixels = [(x * 12 + i) % 256 if abs(x - y) < 5 else 30 for y in range(16) for x in range(16)]
        if i == 47:
            pixels[40:48] = [255] * 8
        (folder / ("images" if i < 40 else "new") / f"part{i:02}.png").write_bytes(png(pixels, 16, 16))
    run(command, "train", folder / "images", "--method", "knn", "--quiet", "--output", folder / "images.model")
    page = folder / "images.html"
    run(command, "report", folder / "new", "--model", folder / "images.model", "--output", page)
    return page


@contextlib.contextmanager
def browser(scheme="light"):
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome")
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
        driver.execute_cdp_cmd("Network.enable", {})
        driver.execute_cdp_cmd("Network.emulateNetworkConditions", {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0})
        yield driver
    finally:
        driver.quit()


def open_page(driver, page, width):
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    driver.get(page.as_uri())
    messages = driver.get_log("browser")
    assert not messages, f"{page.name} at {width}: {messages}"
    wide = driver.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
    assert wide[0] <= wide[1], f"{page.name} at {width}: {wide[0]} pixels wide"
    text = driver.execute_script("return document.body.innerText")
    assert not any(slip in text for slip in ("[object", "undefined", "NaN")), f"{page.name}: {text}"


def counts(driver):
    """The live numbers by their names."""
    return dict(driver.execute_script(
        "return [...document.querySelectorAll('#counts dl > div')].map(d => [d.children[0].textContent, d.children[1].textContent])"))


def number(text):
    return float(text.replace(",", "").replace("%", "").split()[-1])


def check_threshold(driver, measures):
    at_first = counts(driver)
    assert number(at_first["rows flagged"]) == measures["flagged"], at_first
    assert abs(number(at_first["precision"]) - 100 * measures["precision"]) < 0.06, at_first
    assert abs(number(at_first["recall"]) - 100 * measures["recall"]) < 0.06, at_first
    slider = driver.find_element(By.ID, "threshold")
    slider.send_keys(Keys.ARROW_RIGHT, Keys.PAGE_UP)
    fewer = counts(driver)
    assert number(fewer["rows flagged"]) < number(at_first["rows flagged"]), fewer
    assert number(fewer["precision"]) >= number(at_first["precision"]), fewer
    assert "flagged" in slider.get_attribute("aria-valuetext")
    slider.send_keys(Keys.HOME)
    assert number(counts(driver)["of all scored rows"]) == 100
    slider.send_keys(Keys.END)
    assert number(counts(driver)["rows flagged"]) == 0
    driver.execute_script("const s = document.getElementById('threshold'); s.value = 20; s.dispatchEvent(new Event('input'))")
    assert number(counts(driver)["rows flagged"]) > 0
    driver.find_element(By.ID, "usual").click()
    assert counts(driver) == at_first


def check_names(driver):
    """Each drawing and each control has a text for those who do not see it."""
    bare = driver.execute_script(
        "return [...document.querySelectorAll('canvas, svg, img, select, input')].filter(e => !(e.getAttribute('aria-label') || e.alt || "
        "(e.labels && e.labels.length))).map(e => e.outerHTML.slice(0, 80))")
    assert not bare, bare


def check_hostile(driver):
    assert driver.title.startswith("new.csv"), driver.title
    text = driver.execute_script("return document.body.innerText")
    for part in ("</script><script>document.title='broken'</script>", "right\\u202eleft!", "zero\\u200bwidth", "{{data}}"):
        assert part in text, part
    assert not driver.find_elements(By.CSS_SELECTOR, "img[src=x]")


def screenshot(driver, folder, name):
    if folder is None:
        return
    height = driver.execute_script("return document.documentElement.scrollHeight")
    width = driver.execute_script("return innerWidth")
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})
    driver.save_screenshot(str(folder / f"{name}.png"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("command")
    parser.add_argument("--screenshots", type=pathlib.Path)
    arguments = parser.parse_args()
    if not (shutil.which("chromium") or shutil.which("google-chrome")) or not shutil.which("chromedriver"):
        skip("Chromium or its driver is missing (apt-get install chromium chromium-driver)")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        page, measures = labelled_page(arguments.command, folder)
        hostile, images = hostile_page(arguments.command, folder), image_page(arguments.command, folder)
        for scheme in ("light", "dark"):
            with browser(scheme) as driver:
                for width in (400, 1400):
                    for one in (page, hostile, images):
                        open_page(driver, one, width)
                        check_names(driver)
                        screenshot(driver, arguments.screenshots, f"{one.stem}-{scheme}-{width}")
                if scheme == "light":
                    open_page(driver, page, 1400)
                    check_threshold(driver, measures)
                    open_page(driver, hostile, 1400)
                    check_hostile(driver)
    print("three pages at two widths, light and dark: no message, no sideways scrolling; the threshold moves the counts")


if __name__ == "__main__":
    main()
