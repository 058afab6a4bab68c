"""The networks of SGD-JSCC."""
