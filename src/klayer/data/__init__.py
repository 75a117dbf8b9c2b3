"""The images: where they come from and how they are read. Imports errors alone."""
