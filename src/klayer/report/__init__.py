"""The report: what the metrics and plots of the pipeline say, as a page and as Markdown."""
