"""The page of studies/: a section for each study, by what it asks. Imports klayer.report alone."""
