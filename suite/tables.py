"""``python -m suite.tables DIR``: the tables, figures and the page of a run, from its records alone."""

from suite.report.tables import app

if __name__ == "__main__":
    app()
