"""What the metrics and plots of the pipeline say, as a page and as Markdown.

Imports params, files and errors; reads metrics/ and plots/ only.
"""

import os

os.environ["MPLBACKEND"] = "agg"  # a notebook's own, inherited, would end Matplotlib's import
