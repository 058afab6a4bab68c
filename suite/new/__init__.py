"""The beginning of a method of one's own: ``python -m suite.new NAME`` writes one that works, its test and its grid."""
