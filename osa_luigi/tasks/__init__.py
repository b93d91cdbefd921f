"""The luigi graph: what a night consists of, and in which order."""
