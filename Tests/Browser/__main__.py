"""Drives the page at /lifeline in a headless Chromium. Usage: Tests/Browser LIFELINE [--screenshots DIRECTORY]"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
import traceback
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

# What a page may do without a server that answers at once.
PATIENCE = 15_000


@contextmanager
def listening(lifeline: str, command: str, *options: str):
    """A command that listens; yields it, its port, and a function for the next line that it prints."""
    process = subprocess.Popen(
        [lifeline, command, "--color", "never", *options], bufsize=0, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def line() -> str:
        ready, _, _ = select.select([process.stdout], [], [], 30)
        assert ready, f"{command} says nothing"
        return process.stdout.readline().decode()

    try:
        os.set_blocking(process.stdout.fileno(), True)
        first = line()
        match = re.fullmatch(r"listening on wss?://(.*):(\d+)\n", first)
        assert match, first
        yield process, int(match[2]), line
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


@contextmanager
def serve(lifeline: str, *options: str):
    with listening(lifeline, "serve", *options) as (process, port, _):
        yield process, port


@contextmanager
def proxy(lifeline: str, to: int, *options: str, port: int = 0, page: int = 0):
    """A proxy; yields its port and that of its page."""
    with listening(
        lifeline, "proxy", "--quiet", "--listen", str(port), "--to", f"ws://127.0.0.1:{to}", "--page", str(page), *options
    ) as (_, port, line):
        second = line()
        match = re.match(r"  http://127\.0\.0\.1:(\d+)/lifeline(\?token=…)?  shows ", second)
        assert match, second
        yield port, int(match[1])


@contextmanager
def client(lifeline: str, url: str):
    """A client that stays; yields a function that sends a line."""
    process = subprocess.Popen(
        [lifeline, "connect", "--wait", "forever", url], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL)

    def send(text: str) -> None:
        process.stdin.write(text.encode() + b"\n")
        process.stdin.flush()

    try:
        yield send
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(15)


def arrows(page: Page) -> list[tuple[str, str, str]]:
    """The numbered arrows of the diagram: who from, what kind, and the label."""
    return page.eval_on_selector_all(
        "#rows li.arrow[data-number]",
        "items => items.map(item => [item.dataset.from, item.dataset.style, item.dataset.label])")


def wait_for_arrows(page: Page, count: int) -> None:
    page.wait_for_function(
        "count => document.querySelectorAll('#rows li.arrow[data-number]').length >= count", arg=count,
        timeout=PATIENCE)


def test_nine_arrows(page: Page, port: int, screenshot) -> None:
    start = time.monotonic()
    page.goto(f"http://127.0.0.1:{port}/lifeline")
    page.wait_for_function("() => document.querySelector('#status').textContent === 'live'", timeout=PATIENCE)
    page.click("#attempt-open")
    # Its own connection appears in the list, and its diagram opens by itself.
    page.wait_for_selector(".connection[data-route='/lifeline/try'][data-state='open']", timeout=PATIENCE)
    page.wait_for_selector(".connection.chosen[data-route='/lifeline/try']", timeout=PATIENCE)
    page.fill("#attempt-text", 'hello {"world":1}')
    page.click("#attempt-send")
    wait_for_arrows(page, 7)
    page.click("#attempt-close")
    wait_for_arrows(page, 9)
    seen = [tuple(arrow) for arrow in arrows(page)]
    assert seen == [
        ("client", "handshake", "GET /lifeline/try"),
        ("server", "handshake", "101 Switching Protocols"),
        ("client", "text", "text"),
        ("server", "text", "text"),
        # A page cannot send a Ping: these two run from the server.
        ("server", "heartbeat", "Ping"),
        ("client", "heartbeat", "Pong"),
        ("server", "text", "text"),
        ("client", "close", "Close"),
        ("server", "close", "Close"),
    ], seen
    assert time.monotonic() - start < 10, "the nine arrows take ten seconds at most"
    log = page.inner_text("#attempt-log")
    assert "◀ an unsolicited update" in log and "closed 1000" in log, log
    page.wait_for_selector(".connection[data-route='/lifeline/try'][data-state='closed']", timeout=PATIENCE)
    screenshot("nine-arrows")


def is_archive(text: str) -> bool:
    """An archive of the nine arrows, made by this version just now."""
    log = json.loads(text)["log"]
    entry = log["entries"][0]
    began = datetime.datetime.fromisoformat(entry["startedDateTime"].replace("Z", "+00:00")).timestamp()
    messages = entry["_webSocketMessages"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", log["creator"]["version"]), log["creator"]
    assert abs(time.time() - began) < 120 and all(abs(message["time"] - began) < 60 for message in messages), entry
    return len(messages) == 3 and 0 < entry["time"] < 60_000


def test_payloads_filters_and_exports(page: Page, port: int, screenshot) -> None:
    # Shown because the server was told to.
    page.click("#rows li[data-number='3'] button")
    assert page.inner_text("#inspector-content") == 'hello {"world":1}'
    page.click("[data-view='hex']")
    assert "68 65 6c 6c 6f" in page.inner_text("#inspector-content")
    page.click("[data-view='json']")
    assert "not JSON" in page.inner_text("#inspector-content")
    page.select_option("#filter-kind", "heartbeat")
    assert [arrow[2] for arrow in arrows(page)] == ["Ping", "Pong"]
    page.select_option("#filter-from", "client")
    assert [arrow[2] for arrow in arrows(page)] == ["Pong"]
    page.select_option("#filter-kind", "")
    page.select_option("#filter-from", "")
    page.fill("#filter-text", "UNSOLICITED")
    assert len(arrows(page)) == 1
    page.fill("#filter-text", "")
    assert len(arrows(page)) == 9
    for kind, check in (
        ("svg", lambda text: text.startswith("<svg") and "Switching Protocols" in text),
        ("har", is_archive),
        ("jsonl", lambda text: '"lifelineRecording":1' in text.splitlines()[0]),
    ):
        address = page.get_attribute(f"#export a[data-format='{kind}']", "href")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{address}") as answer:
            text = answer.read().decode()
            assert check(text), text[:300]


def test_push_and_keyboard(page: Page, port: int, screenshot) -> None:
    page.select_option("#attempt-path", "/push")
    page.focus("#attempt-open")
    page.keyboard.press("Enter")
    page.wait_for_selector(".connection.chosen[data-route='/push']", timeout=PATIENCE)
    wait_for_arrows(page, 5)
    assert all(arrow[0] == "server" for arrow in arrows(page)[2:5])
    page.focus("#list")
    chosen = page.get_attribute(".connection.chosen", "id")
    page.keyboard.press("ArrowDown")
    page.wait_for_function("id => document.querySelector('.connection.chosen')?.id !== id", arg=chosen, timeout=PATIENCE)
    page.keyboard.press("Home")
    assert page.get_attribute("#list", "aria-activedescendant")
    page.click("#attempt-close")
    page.wait_for_selector(".connection[data-route='/push'][data-state='closed']", timeout=PATIENCE)


def test_accessibility(page: Page, port: int, screenshot) -> None:
    """axe finds nothing, in light or dark, and a screen reader is told the steps in words."""
    page.select_option("#attempt-path", "/lifeline/try")
    page.click("#attempt-open")
    page.wait_for_selector(".connection.chosen[data-route='/lifeline/try'][data-state='open']", timeout=PATIENCE)
    page.fill("#attempt-text", "read this to me")
    page.click("#attempt-send")
    wait_for_arrows(page, 7)
    page.click("#rows li[data-number='3'] button")
    axe = Path(importlib.util.find_spec("axe_playwright_python").origin).parent / "axe.min.js"
    page.evaluate(axe.read_text())
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found = page.evaluate("() => axe.run(document)")
        assert len(found["passes"]) > 30, "axe has looked at the page"
        faults = [(fault["id"], [node["html"] for node in fault["nodes"]]) for fault in found["violations"]]
        assert not faults, faults
    page.emulate_media(color_scheme="light")
    # Directions are colours and arrows to the eye, and words to the ear.
    for name in ("2 server to client: 101 Switching Protocols", "3 client to server: text “read this to me”"):
        assert page.get_by_role("button", name=name).count() == 1, name
    assert page.get_by_role("listbox").get_by_role("option", selected=True).count() == 1
    for name in ("Try it", "Connections", "Diagram of"):
        assert page.get_by_role("region", name=name).count() == 1, name
    page.click("#attempt-close")
    page.wait_for_selector(".connection.chosen[data-route='/lifeline/try'][data-state='closed']", timeout=PATIENCE)


def test_phone(page: Page, lifeline: str, screenshot) -> None:
    """On a narrow screen nothing scrolls sideways, and the diagram begins on the first screen."""
    page.set_viewport_size({"width": 390, "height": 844})
    try:
        with serve(lifeline, "--port", "0") as (_, port):
            page.goto(f"http://127.0.0.1:{port}/")
            assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
            page.click("a")
            page.wait_for_function("() => document.querySelector('#status').textContent === 'live'", timeout=PATIENCE)
            page.click("#attempt-open")
            page.wait_for_selector(".connection.chosen[data-route='/lifeline/try'][data-state='open']", timeout=PATIENCE)
            page.fill("#attempt-text", "a message that is longer than a phone is wide, and has to be wrapped somewhere")
            page.click("#attempt-send")
            wait_for_arrows(page, 7)
            assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
            assert page.evaluate("() => document.querySelector('#diagram').getBoundingClientRect().top + scrollY") < 600
            # The page's own files are no open connections: it is, and its try.
            page.wait_for_function("() => /^\\(2 open/.test(document.querySelector('#count').textContent)", timeout=PATIENCE)
            assert page.locator(".dot.unclean, .dot.refused").count() == 0
            assert page.is_visible("#payload-hint") and "--show-payloads" in page.inner_text("#payload-hint")
            lefts = """selector => [...document.querySelector(selector).children].map(cell => cell.getBoundingClientRect().left)"""
            assert page.evaluate(lefts, "#list-head") == page.evaluate(lefts, ".connection"), "head and rows line up"
            screenshot("phone")
    finally:
        page.set_viewport_size({"width": 1400, "height": 900})


def test_numbers_and_widths(page: Page, lifeline: str, screenshot) -> None:
    """Numbers of three and four digits are shown whole at every width, and no route is cut beside an empty column."""
    cut = """selector => [...document.querySelectorAll(selector)].filter(cell => cell.scrollWidth > cell.clientWidth && cell.clientWidth)
        .map(cell => cell.textContent)"""
    try:
        for count in (150, 1150):
            with serve(lifeline, "--port", "0") as (_, port):
                connections = []
                for number in range(count):
                    connection = socket.create_connection(("127.0.0.1", port))
                    connection.sendall(
                        b"GET /echo/on-loop HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n")
                    assert connection.recv(12) == b"HTTP/1.1 101"
                    if number < count - 150:
                        connection.close()
                    else:
                        connections.append(connection)
                for width, height in ((320, 640), (390, 844), (768, 1024), (1280, 800)):
                    page.set_viewport_size({"width": width, "height": height})
                    page.goto(f"http://127.0.0.1:{port}/lifeline")
                    page.wait_for_selector(f".connection:has-text('#{count - 3}')", timeout=PATIENCE)
                    page.wait_for_selector(".connection:has-text('(this page)')", timeout=PATIENCE)
                    screenshot(f"{count}-connections-{width}")
                    assert page.evaluate(cut, ".connection > span:nth-child(2)") == [], (count, width)
                    if width > 320:
                        # As if there were something in every column; a phone has no room for that.
                        columns = {"--round-trip": "64px", "--rates": "2.8em 2.8em", "--queue": "3.8em"} if width > 390 else {}
                        page.evaluate(
                            """columns => Object.entries(columns).forEach(([name, width]) =>
                                document.querySelector('#connections').style.setProperty(name, width))""", columns)
                        assert page.evaluate(cut, ".connection > span:nth-child(3)") == [], (count, width)
                    assert page.evaluate("() => document.documentElement.scrollWidth") <= width, (count, width)
                    gap = page.evaluate(
                        """() => {
                            const words = document.createRange()
                            words.selectNodeContents(document.querySelector('#attempt-message label').firstChild)
                            return document.querySelector('#attempt-text').getBoundingClientRect().left - words.getBoundingClientRect().right
                        }""")
                    assert gap >= 4, f"{gap} pixels between Message and its field at {width}"
                for connection in connections:
                    connection.close()
    finally:
        page.set_viewport_size({"width": 1400, "height": 900})


def test_following(page: Page, lifeline: str) -> None:
    """The end of a diagram that grows stays in sight, unless one scrolls up."""
    distance = "() => (rows => rows.scrollHeight - rows.scrollTop - rows.clientHeight)(document.querySelector('#rows'))"
    at_end = f"() => ({distance})() < 40"

    def grow() -> None:
        wait_for_arrows(page, len(arrows(page)) + 20)

    with serve(lifeline, "--port", "0", "--interval", "50ms") as (_, port):
        page.goto(f"http://127.0.0.1:{port}/lifeline")
        with client(lifeline, f"ws://127.0.0.1:{port}/push"):
            page.click(".connection[data-route='/push']", timeout=PATIENCE)
            # Chosen again once there is more than is in sight: what is out of sight is not laid out, and was not measured.
            wait_for_arrows(page, 60)
            page.click(".connection[data-route^='/lifeline']")
            page.wait_for_function("() => document.querySelectorAll('#rows li').length === 0", timeout=PATIENCE)
            page.click(".connection[data-route='/push']")
            for _ in range(3):
                grow()
                page.wait_for_function(at_end, timeout=PATIENCE)
            page.hover("#rows")
            page.mouse.wheel(0, -400)
            page.wait_for_function(f"() => ({distance})() > 200", timeout=PATIENCE)
            grow()
            assert page.evaluate(distance) > 600, "whoever scrolls up stays there"
            page.evaluate("() => (rows => rows.scrollTop = rows.scrollHeight)(document.querySelector('#rows'))")
            for _ in range(2):
                grow()
                page.wait_for_function(at_end, timeout=PATIENCE)


def test_restart(page: Page, lifeline: str, port: int, screenshot) -> None:
    page.wait_for_function("() => document.querySelector('#status').className === 'bad'", timeout=PATIENCE)
    with serve(lifeline, "--port", str(port)):
        page.wait_for_function("() => document.querySelector('#status').textContent === 'live'", timeout=PATIENCE)
        # Another server: nothing of the one before is left but what is new.
        page.wait_for_function(
            "() => [...document.querySelectorAll('.connection')].every(row => row.dataset.route.startsWith('/lifeline'))",
            timeout=PATIENCE)
        page.select_option("#attempt-path", "/echo")
        page.click("#attempt-open")
        page.wait_for_selector(".connection.chosen[data-route='/echo']", timeout=PATIENCE)
        page.fill("#attempt-text", "again")
        page.click("#attempt-send")
        wait_for_arrows(page, 4)
        # Payloads are not shown unless the server is told to.
        page.click("#rows li[data-number='3'] button")
        assert "not kept" in page.inner_text("#inspector-content")


def test_many(page: Page, lifeline: str, screenshot) -> None:
    """A thousand connections, a thousand frames a second: the page draws 30 frames a second or more."""
    with serve(lifeline, "--port", "0") as (_, port):
        load = subprocess.Popen(
            [lifeline, "bench", f"ws://127.0.0.1:{port}/echo/on-loop", "--connections", "1000", "--rate", "500",
             "--duration", "8s", "--warmup", "0s"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            page.goto(f"http://127.0.0.1:{port}/lifeline")
            page.wait_for_function(
                "() => Number(/(\\d+) open/.exec(document.querySelector('#count').textContent)?.[1]) > 1000",
                timeout=PATIENCE)
            page.click(".connection[data-route='/echo/on-loop'] >> nth=0")
            assert page.locator(".connection").count() < 100, "only what is in sight is in the document"
            rate = page.evaluate(
                """() => new Promise(resolve => {
                    let frames = 0
                    const start = performance.now()
                    const tick = () => {
                        frames++
                        const list = document.querySelector('#list')
                        list.scrollTop = (list.scrollTop + 40) % 20000
                        const passed = performance.now() - start
                        if (passed < 3000) requestAnimationFrame(tick)
                        else resolve(frames / passed * 1000)
                    }
                    requestAnimationFrame(tick)
                })""")
            screenshot("a-thousand")
            assert rate >= 30, f"{rate:.0f} frames a second"
            print(f"     {rate:.0f} frames a second with 1,000 connections and 1,000 frames a second")
        finally:
            load.terminate()
            load.communicate()


def test_proxy(page: Page, lifeline: str, screenshot) -> None:
    """What passes lifeline proxy is on its page as it passes, and the page survives another proxy in its place."""
    live = "() => document.querySelector('#status').textContent === 'live'"
    with serve(lifeline, "--port", "0", "--ping-interval", "250ms", "--no-page") as (_, server):
        with proxy(lifeline, server, "--show-payloads") as (port, page_port):
            page.goto(f"http://127.0.0.1:{page_port}/lifeline")
            page.wait_for_function(live, timeout=PATIENCE)
            page.wait_for_function(
                "text => document.querySelector('#subject').textContent === text",
                arg=f"ws://127.0.0.1:{port} → ws://127.0.0.1:{server}", timeout=PATIENCE)
            assert page.locator("#attempt").is_hidden(), "there is nothing to try at the page's port"
            assert page.inner_text("#diagram-hint") == "Choose a connection."
            assert page.locator(".connection").count() == 0, "the page's own connection is not relayed"
            with client(lifeline, f"ws://127.0.0.1:{port}/echo") as send:
                page.click(".connection[data-route='/echo'][data-state='open']", timeout=PATIENCE)
                send('hello {"world":1}')
                page.wait_for_selector("#rows li[data-label='Pong']", timeout=PATIENCE)
                page.wait_for_selector(".connection .sparkline", timeout=PATIENCE)
                count = len(arrows(page))
                send("again")
                wait_for_arrows(page, count + 2)
                page.wait_for_function(
                    "() => document.querySelectorAll(\"#rows li[data-style='text']\").length == 4", timeout=PATIENCE)
                page.click("#rows li[data-style='text'] >> nth=0 >> button")
                assert page.inner_text("#inspector-content") == 'hello {"world":1}'
                # What is new appears slowly.
                page.wait_for_timeout(400)
                screenshot("proxy")
                page.emulate_media(color_scheme="dark")
                screenshot("proxy-dark")
                page.emulate_media(color_scheme="light")
            page.wait_for_selector(".connection[data-route='/echo'][data-state='closed']", timeout=PATIENCE)
            page.wait_for_selector("#rows li[data-label='Close'][data-from='server']", timeout=PATIENCE)
            seen = [tuple(arrow) for arrow in arrows(page) if arrow[1] != "heartbeat"]
            assert seen == [
                ("client", "handshake", "GET /echo"), ("server", "handshake", "101 Switching Protocols"),
                ("client", "text", "text"), ("server", "text", "text"),
                ("client", "text", "text"), ("server", "text", "text"),
                ("client", "close", "Close"), ("server", "close", "Close"),
            ], seen
            heartbeat = [tuple(arrow) for arrow in arrows(page) if arrow[1] == "heartbeat"]
            assert ("server", "heartbeat", "Ping") in heartbeat and ("client", "heartbeat", "Pong") in heartbeat
            for kind, text in (("svg", "GET /echo"), ("har", "_webSocketMessages"), ("jsonl", '"lifelineRecording":1')):
                address = page.get_attribute(f"#export a[data-format='{kind}']", "href")
                with urllib.request.urlopen(f"http://127.0.0.1:{page_port}{address}") as answer:
                    assert text in answer.read().decode(), kind
        page.wait_for_function("() => document.querySelector('#status').className === 'bad'", timeout=PATIENCE)
        with proxy(lifeline, server, port=port, page=page_port):
            page.wait_for_function(live, timeout=PATIENCE)
            page.wait_for_function("() => document.querySelectorAll('.connection').length === 0", timeout=PATIENCE)
            with client(lifeline, f"ws://127.0.0.1:{port}/push"):
                page.click(".connection[data-route='/push'][data-state='open']", timeout=PATIENCE)
                page.click("#rows li[data-style='text'] >> nth=0 >> button", timeout=PATIENCE)
                assert "not kept" in page.inner_text("#inspector-content")


def test_access(lifeline: str) -> None:
    def status(port: int, path: str, host: str | None = None, **fields: str) -> int:
        headers = ({"Host": host} if host else {}) | fields
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    with serve(lifeline, "--port", "0") as (_, port):
        assert status(port, "/lifeline") == 200
        assert status(port, "/lifeline", f"evil.example:{port}") == 403, "a stranger's name for this machine"
        assert status(port, "/lifeline/export?connection=1&format=svg", "evil.example") == 403
        assert status(port, "/lifeline/export?connection=99&format=svg") == 404
        assert status(port, "/lifeline/export?format=svg") == 400
        assert status(port, "/lifeline", **{"X-Forwarded-For": "203.0.113.9"}) == 403, "somebody behind a proxy"
    with serve(lifeline, "--port", "0", "--page-token", "s3cret") as (_, port):
        assert status(port, "/lifeline") == 403
        assert status(port, "/lifeline?token=wrong") == 403
        assert status(port, "/lifeline?token=s3cret", "some.name") == 200
        assert status(port, "/lifeline?token=s3cret", "some.name", **{"X-Forwarded-For": "203.0.113.9"}) == 200
    with serve(lifeline, "--port", "0", "--no-page") as (_, port):
        assert status(port, "/lifeline") == 404
        with proxy(lifeline, port, "--page-token", "s3cret") as (relay, page):
            assert status(page, "/lifeline") == 403
            assert status(page, "/lifeline?token=s3cret", "some.name") == 200
            assert status(page, "/lifeline/try?token=s3cret") == 404
            assert status(relay, "/lifeline?token=s3cret") == 404, "what comes to the proxy is the server's"
        with proxy(lifeline, port) as (_, page):
            assert status(page, "/lifeline") == 200
            assert status(page, "/lifeline", f"evil.example:{page}") == 403


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lifeline")
    parser.add_argument("--screenshots", type=Path, default=Path(".build/screenshots"))
    arguments = parser.parse_args()
    browser_path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not browser_path:
        sys.exit("there is no Chromium")
    arguments.screenshots.mkdir(parents=True, exist_ok=True)
    failed = passed = 0

    def attempt(name: str, function, *values) -> None:
        nonlocal failed, passed
        start = time.monotonic()
        try:
            function(*values)
            passed += 1
            print(f"ok   {name} ({time.monotonic() - start:.1f} s)", flush=True)
        except Exception as error:
            failed += 1
            line = traceback.extract_tb(error.__traceback__)[-1].line
            print(f"FAIL {name}: {type(error).__name__}: {error} ({line})", flush=True)

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text) if "Content Security Policy" in message.text else None)

        def screenshot(name: str) -> None:
            page.screenshot(path=arguments.screenshots / f"{name}.png")

        with serve(arguments.lifeline, "--port", "0", "--show-payloads", "--interval", "100ms") as (_, port):
            attempt("nine arrows", test_nine_arrows, page, port, screenshot)
            attempt("payloads, filters, exports", test_payloads_filters_and_exports, page, port, screenshot)
            attempt("push, keyboard", test_push_and_keyboard, page, port, screenshot)
            attempt("accessibility", test_accessibility, page, port, screenshot)
            page.emulate_media(color_scheme="dark")
            screenshot("dark")
        attempt("a server that is started again", test_restart, page, arguments.lifeline, port, screenshot)
        page.emulate_media(color_scheme="light")
        attempt("a thousand connections", test_many, page, arguments.lifeline, screenshot)
        attempt("a narrow screen", test_phone, page, arguments.lifeline, screenshot)
        attempt("numbers and widths", test_numbers_and_widths, page, arguments.lifeline, screenshot)
        attempt("a diagram that grows", test_following, page, arguments.lifeline)
        attempt("what passes a proxy", test_proxy, page, arguments.lifeline, screenshot)
        attempt("access", test_access, arguments.lifeline)

        def no_problems() -> None:
            assert not problems, problems

        attempt("no script failed", no_problems)
        browser.close()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
