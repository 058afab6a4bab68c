"""Sending a method over the link once, in evaluation and in training."""
