"""One network's run, and the files of a run. Imports networks and data."""
