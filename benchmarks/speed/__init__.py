"""The engine's speed, in ratios: against a bare loop, against the naive order, against the limits of the machine."""
