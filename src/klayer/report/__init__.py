"""What the metrics and plots of the pipeline say, as a page and as Markdown.

Imports params, files and errors; reads metrics/ and plots/ only.
"""

import os

# What a user has chosen for Matplotlib, say in a notebook, could end its import.
os.environ |= {"MPLBACKEND": "agg", "MATPLOTLIBRC": os.devnull}
