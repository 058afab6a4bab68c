"""What the engine costs, measured: one module a question, each run in a process of its own by ``python -m suite.speed``."""
