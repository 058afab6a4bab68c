"""Grids: what is measured, one YAML file each; ``suite.settings.Grid`` says what every key means."""
