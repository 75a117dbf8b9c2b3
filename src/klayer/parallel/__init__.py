"""Many networks at once, on processes or a cluster, and nothing finished lost. Imports training."""
