"""The page that `dvc plots` fills, with Vega inside: it can be read without a network."""

from __future__ import annotations

from pathlib import Path

import vl_convert
from dvc.config import Config

from klayer.errors import KlayerError
from klayer.files import write_text

FOLDER = Path(".dvc")
PAGE = "tmp/plots_page.html"  # from FOLDER: beside what else DVC makes there and Git ignores
VEGA_LITE = "5.21"  # the major version that DVC's own templates are written for
ASSIGN = "Object.assign(window, { vega, vegaLite, vegaEmbed });"

# DVC puts its charts in the place of {plot_divs}, each with a call of vegaEmbed. It draws those
# that dvc.yaml composes, and one for each single file, titled by its path: these are folded away.
HTML = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>klayer: plots</title>
<link rel="icon" href="data:,">
<style>
body { font-family: system-ui, sans-serif; margin: 1rem; background: #fff; color: #1b1f24; }
main, #files { display: flow-root; }
main > *, #files > div { display: inline-block; vertical-align: top; max-width: 100%;
  box-sizing: border-box; overflow-x: auto; margin-bottom: 1.5rem; padding-right: 1rem; }
summary { font-weight: 600; padding: 1rem 0; cursor: pointer; }
</style>
<script>
BUNDLE
</script>
<script>
const embed = window.vegaEmbed, files = [];
window.charts = [];
window.vegaEmbed = (place, spec) => {
  if (String(spec.title && spec.title.text).startsWith("plots/")) files.push(place);
  window.charts.push(embed(place, spec));
};
addEventListener("DOMContentLoaded", () => {
  const folded = document.getElementById("files");
  folded.append(...files.map((place) => document.querySelector(place)));
  folded.hidden = !files.length;
});
</script>
</head>
<body>
<main>
{plot_divs}
</main>
<details id="files"><summary>Single files</summary></details>
</body>
</html>
"""


def make() -> Path:
    """Writes the page and names it in .dvc/config.local. Raises KlayerError outside the project."""
    if not FOLDER.is_dir():
        raise KlayerError(f"{FOLDER} is missing here: run klayer in the project's folder")
    bundle = vl_convert.javascript_bundle(ASSIGN, VEGA_LITE).replace("</script", "<\\/script")
    write_text(FOLDER / PAGE, HTML.replace("BUNDLE", bundle))
    with Config(dvc_dir=str(FOLDER.absolute())).edit("local") as local:
        local.setdefault("plots", {})["html_template"] = PAGE
    return FOLDER / PAGE
