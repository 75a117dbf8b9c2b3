"""What is asked: runs, the search, audits. Imports running."""
