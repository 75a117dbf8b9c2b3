"""A headless Chromium, spoken to by its DevTools protocol over a pipe."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
TIMEOUT = 20.0  # seconds for a page


def find() -> str | None:
    """The browser's command, None where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """One page at a time."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self.to_browser, self.from_browser = to_browser, from_browser
        self.rest = b""
        self.count = 0
        self.session: str | None = None
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def open(self, path: Path, width: int, dark: bool = False) -> None:
        """Opens a file and waits until it is loaded."""
        self.events.clear()
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        self.call("Page.navigate", url=path.as_uri())
        limit = time.monotonic() + TIMEOUT
        while self.evaluate("document.readyState + location.href") != "complete" + path.as_uri():
            assert time.monotonic() < limit, f"{path} is not loaded after {TIMEOUT:.0f} s"
            time.sleep(0.05)

    def evaluate(self, script: str) -> Any:
        """The value of an expression, awaited if it is a promise."""
        answer = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def requests(self) -> list[str]:
        """Addresses that were asked for since `open`, but for files and what the page holds."""
        asked = [
            e["params"]["request"]["url"]
            for e in self.events
            if e["method"] == "Network.requestWillBeSent"
        ]
        return [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]

    def complaints(self) -> list[str]:
        """Errors on the console since `open`, and exceptions."""
        found = []
        for event in self.events:
            params = event["params"]
            kind = {
                "Runtime.exceptionThrown": "error",
                "Runtime.consoleAPICalled": params.get("type"),
                "Log.entryAdded": params.get("entry", {}).get("level"),
            }.get(event["method"])
            if kind in ("error", "assert"):
                found.append(json.dumps(params))
        return found

    def picture(self, box: dict[str, float] | None = None) -> bytes:
        """The whole page, or a box of it (x, y, width, height), as PNG."""
        clip = {"clip": box | {"scale": 1}} if box else {}
        answer = self.call("Page.captureScreenshot", captureBeyondViewport=True, **clip)
        return base64.b64decode(answer["data"])

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        self.count += 1
        message = {"id": self.count, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to_browser, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self.count:
                assert "error" not in answer, answer
                return dict(answer["result"])
            if "method" in answer:
                self.events.append(answer)

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self.rest:
            more = os.read(self.from_browser, 1 << 20)
            assert more, "the browser has ended"
            self.rest += more
        message, self.rest = self.rest.split(b"\0", 1)
        return dict(json.loads(message))


@contextmanager
def launched(command: str, profile: Path) -> Iterator[Browser]:
    """A browser without a network and with a new profile; it ends with the context."""
    their_in, our_out = os.pipe()
    our_in, their_out = os.pipe()
    options = "--headless --no-sandbox --disable-gpu --remote-debugging-pipe --no-first-run"
    offline = "--proxy-server=127.0.0.1:9"  # nobody is there
    # The protocol is spoken over the descriptors 3 and 4.
    shell = f'exec "$0" "$@" 3<&{their_in} 4>&{their_out}'
    arguments = ["bash", "-c", shell, command, *options.split(), offline]
    process = subprocess.Popen(
        [*arguments, f"--user-data-dir={profile}"],
        pass_fds=(their_in, their_out),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(their_in)
    os.close(their_out)
    try:
        browser = Browser(our_out, our_in)
        yield browser
        browser.session = None
        browser.call("Browser.close")
        process.wait(TIMEOUT)
    finally:
        process.kill()
        process.wait()
        os.close(our_out)
        os.close(our_in)
