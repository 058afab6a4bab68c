"""The site: the pages of the project, a reference made from the code, and the interface from its docstrings, built by Sphinx.

::

    README.md, */README.md, suite/docs/pages/ ──sources.py──┐
    grid keys, settings, data sets, commands ──reference.py─┼─> one folder of Markdown ──site.py: Sphinx, MyST, furo──> HTML
    docstrings ──autodoc────────────────────────────────────┘
"""
