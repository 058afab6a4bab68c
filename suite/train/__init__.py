"""Training: a plain PyTorch loop, and Ray Tune above it."""
