"""The images: their files, how they are read, synthetic and corrupted ones. Imports errors only."""
