"""What a headless Chromium measures of a page, without a network."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HEIGHT = 800
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
COMMAND = next((path for name in NAMES if (path := shutil.which(name))), "")
OPTIONS = (
    "--headless --no-sandbox --disable-gpu --no-first-run --hide-scrollbars "
    "--disable-background-networking --disable-component-update --disable-sync "
    "--proxy-server=127.0.0.1:9 "  # nobody is there
    "--allow-file-access-from-files "  # so that the frame below can be measured
    "--virtual-time-budget=20000 --enable-logging=stderr --dump-dom"
)
# The page is shown in a frame: a window is never narrower than 500 pixels.
FRAME = """<!DOCTYPE html><body style="margin: 0">
<iframe src="{page}" style="width: {width}px; height: {height}px; border: 0"></iframe>
<script>
addEventListener("load", async () => {{
  const page = document.querySelector("iframe").contentWindow;
  await new Promise((ready) => setTimeout(ready, 1000));  // what is asked for late
  const measured = {{}};
  for (const [name, script] of Object.entries({scripts}))
    measured[name] = await page.eval(script) ?? null;
  const answer = document.body.appendChild(document.createElement("pre"));
  answer.id = "measured";
  answer.textContent = JSON.stringify(measured);
}});
</script>"""
# Addresses that the page asked for, but for files and what it holds.
ASKED = """performance.getEntriesByType("resource").map((entry) => entry.name)
  .filter((name) => !/^(file|data|blob):/.test(name))"""


def measure(
    page: Path, width: int, scripts: Mapping[str, str], dark: bool = False, screenshot: str = ""
) -> dict[str, Any]:
    """The value of each JavaScript expression in the page, in their order.

    Besides: `asked`, addresses outside the page; `console`, what the browser and the page wrote.
    """
    script = json.dumps({**scripts, "asked": ASKED}).replace("</", "<\\/")
    with tempfile.TemporaryDirectory() as folder:
        frame = Path(folder) / "frame.html"
        uri = html.escape(page.as_uri())
        frame.write_text(FRAME.format(page=uri, width=width, height=HEIGHT, scripts=script))
        options = [f"--user-data-dir={folder}/profile", f"--window-size={max(width, 500)},{HEIGHT}"]
        options += ["--blink-settings=preferredColorScheme=0"] if dark else []
        options += [f"--screenshot={screenshot}"] if screenshot else []
        command = [COMMAND, *OPTIONS.split(), *options, frame.as_uri()]
        ended = subprocess.run(command, capture_output=True, text=True, check=True)
    answer = re.search(r'<pre id="measured">(.*)</pre>', ended.stdout, re.DOTALL)
    assert answer, ended.stdout[-2000:] + ended.stderr[-2000:]
    measured: dict[str, Any] = json.loads(html.unescape(answer[1]))
    measured["console"] = re.findall(r":CONSOLE.*", ended.stderr)
    return measured
