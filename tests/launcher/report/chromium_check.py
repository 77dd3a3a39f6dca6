#!/usr/bin/env python3
# tests/launcher/report/chromium_check.py: opens a report in headless Chromium and checks what only a browser can tell:
# all pictures are shown, search, filter and sorting work, nothing is logged as an error, and nothing is requested but the
# page itself and, once it is pointed at, a clip's video. Prints how long the page took to open. Exit code 1 when
# something is not as it should be, 3 without Chromium.
#
#   chromium_check.py renders/report.html
#   build/cpu/bin/report_sample /tmp/many.html 1000 8 && chromium_check.py /tmp/many.html --seconds 2
#   chromium_check.py renders/report.html --picture report.png --size 1400x1800 [--dark]
import argparse
import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path


class Chromium:
    """A headless Chromium with one page, spoken to through its pipe: JSON messages that end in a zero byte."""

    def __init__(self, program, folder):
        to_browser, self.write_end = os.pipe()
        self.read_end, from_browser = os.pipe()
        self.process = subprocess.Popen(
            ["bash", "-c", f'exec "$0" "$@" 3<&{to_browser} 4>&{from_browser}', program, "--headless=new", "--no-sandbox",
             "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--remote-debugging-pipe", f"--user-data-dir={folder}"],
            pass_fds=(to_browser, from_browser), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)
        self.number, self.session, self.unread = 0, None, b""
        self.events = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(domain + ".enable")

    def receive(self):
        while b"\0" not in self.unread:
            some = os.read(self.read_end, 1 << 20)
            if not some:
                raise RuntimeError("Chromium has ended")
            self.unread += some
        message, self.unread = self.unread.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.write_end, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def evaluate(self, script):
        result = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{script}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def open(self, url):
        """Opens the page and returns the seconds until it is loaded and painted."""
        begin = time.monotonic()
        self.call("Page.navigate", url=url)
        while self.evaluate("document.readyState + location.protocol") != "completefile:":
            time.sleep(0.01)
        self.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
        return time.monotonic() - begin

    def requests(self):
        return [event["params"]["request"]["url"] for event in self.events if event.get("method") == "Network.requestWillBeSent"]

    def complaints(self):
        texts = []
        for event in self.events:
            if event.get("method") == "Runtime.exceptionThrown":
                texts.append(event["params"]["exceptionDetails"].get("text", "exception"))
            elif event.get("method") == "Log.entryAdded" and event["params"]["entry"]["level"] in ("error", "warning"):
                texts.append(event["params"]["entry"]["text"])
            elif event.get("method") == "Runtime.consoleAPICalled" and event["params"]["type"] in ("error", "warning", "assert"):
                texts.append(str(event["params"]["args"]))
        return texts

    def close(self):
        self.process.terminate()
        self.process.wait()


VISIBLE = "[...document.querySelectorAll('article')].filter((card) => !card.hidden)"
TYPE = """((name, value) => { const field = document.querySelector('.tools').elements[name];
  field.value = value; field.dispatchEvent(new Event('input', { bubbles: true })); })"""


class Check:
    def __init__(self):
        self.failed = False

    def expect(self, what, right, detail=""):
        print(f"{'ok  ' if right else 'FAIL'}  {what}" + (f": {detail}" if detail != "" else ""))
        self.failed |= not right


def check_pictures(page, check):
    broken = page.evaluate("""Promise.all([...document.images].map((image) => (image.loading = "eager", image).decode().then(() => !image.naturalWidth,
      () => true))).then((all) => all.filter(Boolean).length)""")
    done = page.evaluate("document.querySelectorAll('article[data-state=done]').length")
    images = page.evaluate("document.images.length")
    check.expect("every finished clip has its picture", broken == 0 and images == done, f"{images} of {done}, {broken} broken")


def check_search(page, check):
    name = page.evaluate("document.querySelector('article:last-of-type').dataset.name")
    page.evaluate(f"{TYPE}('search', {json.dumps(name.upper())})")
    found = page.evaluate(f"{VISIBLE}.map((card) => card.dataset.name)")
    check.expect("search finds a clip by its name", found == [name], found[:3])
    page.evaluate(f"{TYPE}('search', 'no clip has these words')")
    check.expect("search says when nothing is found", page.evaluate(f"{VISIBLE}.length") == 0
                 and page.evaluate("document.querySelector('.nothing').checkVisibility()"))
    page.evaluate(f"{TYPE}('search', '')")


def check_filter(page, check):
    for state in page.evaluate("[...document.querySelectorAll('.states button')].map((button) => button.value)"):
        page.evaluate(f"document.querySelector('.states button[value={json.dumps(state)}]').click()")
        shown = page.evaluate(f"{VISIBLE}.map((card) => card.dataset.state)")
        everything = page.evaluate(f"document.querySelectorAll('article{f'[data-state={state}]' if state else ''}').length")
        right = len(shown) == min(everything, 300) and (not state or set(shown) == {state})
        check.expect(f"filter shows {state or 'all'}", right, f"{len(shown)} of {everything}")
    page.evaluate("document.querySelector('.states button')?.click()")


def check_sorting(page, check):
    page.evaluate(f"{TYPE}('sort', 'seconds')")
    seconds = page.evaluate(f"{VISIBLE}.map((card) => +card.dataset.seconds)")
    check.expect("sorted by time taken", seconds == sorted(seconds, reverse=True) and len(seconds) > 0)
    page.evaluate(f"{TYPE}('sort', 'number')")
    numbers = page.evaluate(f"{VISIBLE}.map((card) => +card.dataset.number)")
    check.expect("sorted by the list again", numbers == sorted(numbers))


def check_pages(page, check):
    count = page.evaluate("document.querySelectorAll('article').length")
    if count <= 300:
        check.expect("one page", page.evaluate("document.querySelector('.pages').hidden"))
        return
    page.evaluate("document.querySelector('.pages [name=next]').click()")
    check.expect("the second page", page.evaluate(f"{VISIBLE}[0].dataset.number") == "301")
    page.evaluate(f"location.hash = '#clip-{count}'")
    page.evaluate("new Promise((done) => setTimeout(done, 50))")
    check.expect("a link to a clip turns to its page",
                 page.evaluate(f"document.getElementById('clip-{count}').checkVisibility()"))


def check_playing(page, check, report):
    """Points at the first clip whose video is there."""
    sheets = "[...document.querySelectorAll('.sheet[data-video]')].filter((sheet) => sheet.dataset.video && sheet.checkVisibility())"
    check.expect("no video before one is pointed at", page.evaluate("document.querySelectorAll('video').length") == 0)
    url = page.evaluate(f"{sheets}[0]?.href")
    if not url or not Path(report.parent, page.evaluate(f"decodeURIComponent({sheets}[0].dataset.video)")).exists():
        print("      no video lies beside the report, so none is played")
        return []
    page.evaluate(f"{sheets}[0].dispatchEvent(new PointerEvent('pointerover', {{ bubbles: true }}))")
    plays = page.evaluate("""new Promise((done) => { let patience = 60; const look = () => {
      const video = document.querySelector('video.plays');
      if (video && video.videoWidth > 0) done(true); else if (--patience) setTimeout(look, 50); else done(false); }; look(); })""")
    check.expect("a video plays when it is pointed at", plays)
    page.evaluate(f"{sheets}[0].dispatchEvent(new PointerEvent('pointerout', {{ bubbles: true }}))")
    check.expect("and is closed afterwards", page.evaluate("document.querySelectorAll('video').length") == 0)
    return [url]


def run_checks(page, report, url, most_seconds):
    check = Check()
    seconds = page.open(url)
    check.expect("opened", most_seconds is None or seconds <= most_seconds,
                 f"{seconds:.2f} s, {report.stat().st_size / 1e6:.1f} MB, {page.evaluate('document.querySelectorAll(`article`).length')} clips")
    check_pictures(page, check)
    videos = check_playing(page, check, report)
    if page.evaluate("document.querySelectorAll('article').length"):
        for part in (check_search, check_filter, check_sorting, check_pages):
            part(page, check)
    page.evaluate("0")
    others = {request.split("#")[0] for request in page.requests() if not request.startswith("data:")} - {url, *videos}
    check.expect("no request to anywhere", not others, sorted(others) or "")
    complaints = page.complaints()
    check.expect("no error and no warning", not complaints, complaints or "")
    return 1 if check.failed else 0


def take_picture(page, url, file, size, dark):
    width, height = map(int, size.split("x"))
    page.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
    page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
    page.open(url)
    page.evaluate("new Promise((done) => setTimeout(done, 300))")
    kind = "jpeg" if file.suffix in (".jpg", ".jpeg") else "png"
    quality = {"quality": 88} if kind == "jpeg" else {}
    file.write_bytes(base64.b64decode(page.call("Page.captureScreenshot", format=kind, **quality)["data"]))


def main():
    parser = argparse.ArgumentParser(description="Checks a report in headless Chromium.")
    parser.add_argument("report", type=Path)
    parser.add_argument("--seconds", type=float, help="the page has to open within this time")
    parser.add_argument("--picture", type=Path, help="only take a picture: a .png or .jpg file")
    parser.add_argument("--size", default="1400x1800")
    parser.add_argument("--dark", action="store_true")
    options = parser.parse_args()
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if not program:
        print("there is no Chromium: apt-get install chromium", file=sys.stderr)
        return 3
    report = options.report.resolve()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        page = Chromium(program, folder)
        try:
            if options.picture:
                take_picture(page, report.as_uri(), options.picture, options.size, options.dark)
                return 0
            return run_checks(page, report, report.as_uri(), options.seconds)
        finally:
            page.close()


if __name__ == "__main__":
    sys.exit(main())
