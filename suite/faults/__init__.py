"""Runs that are killed on purpose, and must end as if nothing had happened: ``python -m suite.faults``."""
