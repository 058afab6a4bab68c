"""Evaluation: the grid cut into work units, streamed through actor pools, published as records."""
