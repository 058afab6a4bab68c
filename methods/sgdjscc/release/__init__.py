"""The files that the authors of SGD-JSCC published, and how they are read."""
