"""The data set ``scenes``: a world of procedural images with exact masks, labels and captions."""
