"""The engine: it brings the methods and the conditions together, on one machine or on a cluster."""
