"""The conditions: the link, the data sets, the metrics and the grids that every method meets alike."""
