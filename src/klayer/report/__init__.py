"""What the metrics and plots of the pipeline say, as a page and as Markdown.

Imports params and errors alone; reads metrics/ and plots/ only.
"""
