"""The tests; a package, since some libraries install one of the same name, which would hide it from processes that tests start."""
