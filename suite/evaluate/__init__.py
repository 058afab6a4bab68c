"""Evaluation: the grid cut into work units, streamed through actor pools, published as records."""

from suite import callable_as_function

callable_as_function(__name__)
