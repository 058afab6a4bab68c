"""Training: a plain PyTorch loop, and Ray Tune above it."""

from suite import callable_as_function

callable_as_function(__name__)
