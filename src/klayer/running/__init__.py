"""Many runs at once, in sight, and nothing finished lost. Imports training."""
