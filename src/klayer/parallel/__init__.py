"""Many networks at once, on processes or a cluster; finished ones are kept. Imports training."""
