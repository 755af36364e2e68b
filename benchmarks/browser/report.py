"""Opens a page of `guide report` from the disk in headless Chromium, and looks at what it does.

    pip install playwright
    guide report RUN... --out report.html
    python benchmarks/browser/report.py report.html --screenshots FOLDER --json FILE

The network is cut, and every request is logged: none may leave the page. Console errors are
collected, a mesh is turned by a drag, and the filters, the leaderboard, the arrow keys and the
before / after slider are used. Screenshots are taken at 1400 and 400 pixels, light and dark.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
LOCAL = ("data:", "blob:")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("--browser", default="/usr/bin/chromium")
    parser.add_argument("--screenshots", type=Path, default=Path())
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    chosen.screenshots.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chosen.browser, args=FLAGS)
        found: dict[str, Any] = {"browser": browser.version, "megabytes": 0.0}
        found["megabytes"] = round(chosen.page.stat().st_size / 1e6, 2)
        for scheme in ("light", "dark"):
            for width in (1400, 400):
                context = browser.new_context(
                    viewport={"width": width, "height": 900 if width > 500 else 800},
                    color_scheme=scheme,
                    offline=True,
                )
                page = context.new_page()
                log = _logged(page)
                page.goto(chosen.page.resolve().as_uri())
                page.wait_for_timeout(300)
                name = f"{scheme}-{width}"
                page.screenshot(path=chosen.screenshots / f"{name}.png")
                page.screenshot(path=chosen.screenshots / f"{name}-whole.png", full_page=True)
                used = _use(page, chosen.screenshots, name)
                overflow = "document.documentElement.scrollWidth - innerWidth"
                found[name] = {**used, **log, "pixels_too_wide": page.evaluate(overflow)}
                context.close()
        browser.close()
    text = json.dumps(found, indent=2)
    print(text)
    if chosen.json:
        chosen.json.write_text(text + "\n", encoding="utf-8")


def _logged(page: Page) -> dict[str, list[str]]:
    """Lists that fill with the requests, console messages and errors of a page."""
    log: dict[str, list[str]] = {"requests": [], "console": [], "errors": []}

    def request(each: Any) -> None:
        is_page = each.url.startswith("file:") and each.is_navigation_request()
        if not each.url.startswith(LOCAL) and not is_page:
            log["requests"].append(each.url[:200])

    def console(each: Any) -> None:
        if each.type in ("error", "warning"):
            log["console"].append(f"{each.type}: {each.text[:300]}")

    page.on("request", request)
    page.on("console", console)
    page.on("pageerror", lambda error: log["errors"].append(str(error)[:300]))
    return log


def _use(page: Page, folder: Path, name: str) -> dict[str, Any]:
    """Filters, opens, turns and sorts on the page, and returns what changed."""
    found: dict[str, Any] = {"tiles": page.locator(".tile").count()}
    found["a prompt ran as a script"] = page.evaluate("typeof window.hacked !== 'undefined'")
    page.fill("input[name=text]", "apple")
    found["tiles with apple"] = page.locator(".tile:visible").count()
    page.fill("input[name=text]", "")
    page.click("#leaderboard th:has-text('Seed') button")
    seeds = page.locator("#leaderboard td:nth-child(6)").all_inner_texts()
    found["sorted by seed"] = seeds == sorted(seeds, key=int, reverse=True)
    page.locator(".tile").first.click()
    first = page.locator("#viewer h2").inner_text()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    found["arrow keys return"] = page.locator("#viewer h2").inner_text() == first
    page.wait_for_timeout(200)
    page.screenshot(path=folder / f"{name}-viewer.png")
    page.keyboard.press("Escape")
    found["closed by Escape"] = not page.locator("#viewer").is_visible()
    _slide(page, folder, name, found)
    _turn(page, folder, name, found)
    if page.locator("#cells .cell").count():
        found["grid cells"] = page.locator("#cells .cell").count()
    following = page.locator("#axes button[aria-label^='Next']")
    if following.count():
        cells = page.locator("#cells").inner_html()
        following.first.click()
        found["third axis turns"] = page.locator("#cells").inner_html() != cells
    return found


def _open_tab(page: Page, title: str) -> bool:
    """Opens the first result that has a file with this title."""
    for tile in page.locator(".tile").all():
        tile.click()
        tab = page.locator(f".tabs button:text-is('{title}')")
        if tab.count():
            tab.first.click()
            return True
        page.keyboard.press("Escape")
    return False


def _slide(page: Page, folder: Path, name: str, found: dict[str, Any]) -> None:
    if not _open_tab(page, "Before / after"):
        return
    page.locator(".slider input").evaluate(
        "e => { e.value = 25; e.dispatchEvent(new Event('input')); }"
    )
    page.wait_for_timeout(100)
    found["slider"] = page.locator(".slider").evaluate("e => e.style.getPropertyValue('--x')")
    page.screenshot(path=folder / f"{name}-slider.png")
    page.keyboard.press("Escape")


def _turn(page: Page, folder: Path, name: str, found: dict[str, Any]) -> None:
    """Turns a mesh by a drag of the mouse; the two screenshots must differ."""
    if not _open_tab(page, "3D"):
        return
    for _ in range(100):  # `wait_for_function` uses eval, which the page does not allow
        page.wait_for_timeout(200)
        if page.evaluate("document.querySelector('model-viewer')?.loaded"):
            break
    page.wait_for_timeout(2500)
    stage = page.locator(".stage")
    before = stage.screenshot(path=folder / f"{name}-mesh.png")
    orbit = "document.querySelector('model-viewer').getCameraOrbit().toString()"
    found["orbit before"] = page.evaluate(orbit)
    box = stage.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(1, 11):
        page.mouse.move(x + 15 * step, y)
    page.mouse.up()
    page.wait_for_timeout(2500)
    after = stage.screenshot(path=folder / f"{name}-mesh-turned.png")
    found["orbit after"] = page.evaluate(orbit)
    found["screenshots differ"] = before != after
    page.keyboard.press("Escape")


if __name__ == "__main__":
    main()
