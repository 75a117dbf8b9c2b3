"""One run of networks that are trained together, and its files. Imports networks and data."""
