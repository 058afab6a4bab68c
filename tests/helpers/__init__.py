"""What several tests share; pytest has `tests/` on its path, so they import it as ``helpers``."""
