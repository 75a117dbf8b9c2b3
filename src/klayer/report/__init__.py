"""From metrics and plots to the page: statistics, questions, charts. Imports params, files, errors."""

import os

os.environ["MPLBACKEND"] = "agg"  # a notebook's own, inherited, would end Matplotlib's import
