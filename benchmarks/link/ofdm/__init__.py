"""Frequency-selective channels under OFDM."""
