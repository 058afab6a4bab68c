"""Grids: what is measured, one YAML file each; ``suite.config.grid.Grid`` says what every key means."""
