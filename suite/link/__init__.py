"""Sending a method over the link: once for evaluation, validation, scene models and measurements, and in a training step."""
