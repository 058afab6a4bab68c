"""The page of a run: one HTML file with a table that sorts, curves that answer, images to look at, and how it was made."""
