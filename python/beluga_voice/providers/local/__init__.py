"""Backend `local`: callers within the process."""
