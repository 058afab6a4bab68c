"""Data sets and weights of others: what there is, and fetching it, checked, into the place where the suite looks for it.

::

    get NAME ──Asset.files──> download: a part that is there goes on ──digest──> unpack ──> the genuine layout below --data-dir
                                                      │                      └──────────> the cache of the library that reads it
                                                      └─ published, or the one recorded when it was first fetched
"""
