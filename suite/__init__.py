"""The engine: it brings the contestants and the conditions together, on one machine or on a cluster."""
