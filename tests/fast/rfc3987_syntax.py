"""Stands before a library that jsonschema, and so luigi, imports where it finds it, for one format that nobody here uses.

Building that library's grammar takes a second of CPU in every interpreter (five, where the import happens deep in a stack), and these
tests start a dozen.
"""

raise ImportError("left out of the fast tests")
