"""Opens the built site in a headless browser and does what a reader does: browse.py SITE BROWSER FOLDER. What was seen comes out as JSON."""
import functools
import http.server
import json
import pathlib
import sys
import threading

from playwright.sync_api import sync_playwright

SHOWN = "images => images.filter(i => i.complete && i.naturalWidth > 0 && i.getBoundingClientRect().width > 100).map(i => i.getAttribute('src'))"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def main(site, browser, folder):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=site))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    home = f"http://127.0.0.1:{server.server_address[1]}/"
    seen = {"errors": [], "elsewhere": []}
    with sync_playwright() as driver:
        # As root, in a container, there is no sandbox to be had.
        opened = driver.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-dev-shm-usage"])
        page = opened.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(120_000)   # others may be at work on this machine
        page.on("pageerror", lambda error: seen["errors"].append(str(error)))
        page.on("request", lambda request: None if request.url.startswith((home, "data:", "blob:")) else seen["elsewhere"].append(request.url))
        page.on("response", lambda answer: seen["errors"].append(f"{answer.status} {answer.url}") if answer.status >= 400 else None)
        page.goto(home + "index.html")
        page.wait_for_load_state("networkidle")
        seen["home"] = {"title": page.title(), "pictures": page.eval_on_selector_all("article img", SHOWN), "rows": page.locator("article table tr").count()}
        page.screenshot(path=str(pathlib.Path(folder) / "home.png"))

        page.locator(".md-tabs").get_by_role("link", name="Gallery").click()
        page.wait_for_url("**/gallery/index.html")
        page.locator("article table").get_by_role("link", name="Leakage shown and closed").click()
        page.wait_for_url("**/gallery/leakage.html")
        page.wait_for_load_state("networkidle")
        seen["page"] = {"heading": page.locator("article h1").inner_text().rstrip("¶"), "pictures": page.eval_on_selector_all("article img", SHOWN)}
        page.screenshot(path=str(pathlib.Path(folder) / "page.png"), full_page=True)

        page.keyboard.press("/")
        page.keyboard.type("patch_leakage")
        found = page.locator(".md-search-result__link")
        found.first.wait_for()
        links = [link.get_attribute("href") for link in found.all()]
        seen["found"] = [link.rpartition("/")[2] for link in links]
        page.screenshot(path=str(pathlib.Path(folder) / "search.png"))
        wanted = next(i for i, link in enumerate(links) if "reference.html" in link and "#patch_leakage" in link)
        found.nth(wanted).click()
        page.wait_for_url("**/reference.html**")
        heading = page.locator("#patch_leakage-table-macro")
        page.wait_for_function("() => document.querySelector('#patch_leakage-table-macro').getBoundingClientRect().top < innerHeight")
        seen["reference"] = {
            "heading": heading.inner_text().rstrip("¶"),
            "items": page.locator("#patch_leakage-table-macro ~ ul").first.locator("li").count(),
            "types": page.locator("#geo_patch_grid-table ~ .md-typeset__scrollwrap code, #geo_patch_grid-table ~ table code").all_inner_texts()[:6],
        }
        page.screenshot(path=str(pathlib.Path(folder) / "reference.png"))
        opened.close()
    server.shutdown()
    print(json.dumps(seen))


if __name__ == "__main__":
    main(*sys.argv[1:])
