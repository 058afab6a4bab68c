"""The stages of an evaluation: describe, transmit, refine, score."""
