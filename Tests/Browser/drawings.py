"""Looks at the golden drawings with the eyes of those for whom they are drawn.

Mermaid's own parser reads and draws the diagrams, a browser draws the SVGs, light and dark, and a reader of HTTP Archives
reads the archives. Pictures are left in the directory that is given. Usage: drawings.py GOLDEN PICTURES
"""

from __future__ import annotations

import json
import shutil
import sys
import sysconfig
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from haralyzer import HarParser
from playwright.sync_api import sync_playwright

checks = 0


def check(condition: bool, text: str) -> None:
    global checks
    checks += 1
    if not condition:
        sys.exit(f"FAIL {text}")


def mermaid_script() -> Path:
    """Mermaid itself, as a package of Python's brings it along."""
    scripts = sorted(Path(sysconfig.get_paths()["purelib"]).rglob("mermaid.min.js"))
    check(bool(scripts), "there is no mermaid.min.js")
    return scripts[0]


def main() -> None:
    golden, pictures = Path(sys.argv[1]), Path(sys.argv[2])
    pictures.mkdir(parents=True, exist_ok=True)
    names = sorted(path.stem for path in golden.glob("*.jsonl"))
    check(len(names) >= 5, f"golden drawings in {golden}")
    browser_path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    check(browser_path is not None, "there is a Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 900, "height": 1400})

        page.set_content("<!doctype html><pre id=drawing></pre>")
        page.add_script_tag(path=mermaid_script())
        # A parser that takes everything would prove nothing.
        refused = page.evaluate("() => mermaid.parse('sequenceDiagram\\n    nonsense ->>').then(() => false, () => true)")
        check(refused, "Mermaid refuses nonsense")
        for name in names:
            source = (golden / f"{name}.mmd").read_text()
            arrows = page.evaluate(
                """async source => {
                    await mermaid.parse(source)
                    const { svg } = await mermaid.render('drawn', source)
                    document.querySelector('#drawing').innerHTML = svg
                    return document.querySelectorAll('#drawing .messageText').length
                }""", source)
            check(arrows >= source.count(">>"), f"{name}.mmd: Mermaid draws {arrows} texts at {source.count('>>')} arrows")
            page.locator("#drawing svg").screenshot(path=pictures / f"{name}.mermaid.png")

        for name in names:
            text = (golden / f"{name}.svg").read_text()
            root = ElementTree.fromstring(text)
            check(root.tag == "{http://www.w3.org/2000/svg}svg", f"{name}.svg is SVG")
            check("http://" not in text.replace("http://www.w3.org/2000/svg", "") and "url(" not in text, f"{name}.svg needs nothing else")
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                page.set_content(f"<!doctype html><style>body{{margin:0}}</style>{text}")
                # Every text is inside the picture.
                outside = page.evaluate(
                    """() => [...document.querySelectorAll('text')].filter(text => {
                        const box = text.getBoundingClientRect(), paper = document.querySelector('svg').getBoundingClientRect()
                        return box.left < paper.left - 1 || box.right > paper.right + 1 || box.bottom > paper.bottom + 1
                    }).map(text => text.textContent)""")
                check(not outside, f"{name}.svg, {scheme}: outside the picture: {outside}")
                page.locator("svg").screenshot(path=pictures / f"{name}.{scheme}.png")
                check((pictures / f"{name}.{scheme}.png").stat().st_size > 5000, f"{name}.svg, {scheme}, is drawn")
        browser.close()

    for name in names:
        archive = HarParser(json.loads((golden / f"{name}.har").read_text()))
        entries = archive.har_data["entries"]
        connections = {json.loads(line)["c"] for line in (golden / f"{name}.jsonl").read_text().splitlines()[1:]}
        check(archive.har_data["version"] == "1.2" and len(entries) == len(connections), f"{name}.har is an archive")
        for entry in entries:
            check(entry["response"]["status"] == 101, f"{name}.har has the handshake")
            check(len(entry["_webSocketMessages"]) > 0, f"{name}.har has messages")
            check(("comment" in entry) == (len(entries) > 1), f"{name}.har says what follows which")
    print(f"{len(names)} recordings, {checks} checks passed")


main()
