"""One run of networks that are trained together. Imports networks and data."""
