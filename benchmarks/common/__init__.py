"""The ground floor: errors, names, files, hashes and pixels that all three packages share; it imports no torch."""
