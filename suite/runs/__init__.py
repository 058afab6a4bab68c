"""The run folder: its paths, ``run.json``, the records and where they came from."""
