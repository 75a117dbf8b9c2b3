"""What is asked: the search, results, trained networks as files, audits. Imports running."""
