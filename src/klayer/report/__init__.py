"""The report, as a page and as Markdown. It reads metrics/ and plots/ only, and imports params and
errors only.
"""
