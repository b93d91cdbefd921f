"""The camera of an LST, as lstchain's tables have it."""

GAINS = 2
"""High gain and low gain."""

PIXELS = 1855
