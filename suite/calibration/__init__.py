"""Numbers that others published beside what this machine gives: ``python -m suite.doctor --calibrate --data-dir DIR``.

::

    benchmarks/published.yaml ──┐
    images, weights, tables ────┴─ codecs, link, image_quality ──> Comparison(published, ours, how near it must be) ──> a table
"""
