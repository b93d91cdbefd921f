"""The luigi graph: what a night consists of, and in which order; and what its tasks and the operator's commands both go by.

The tasks are in `osa_luigi.tasks.graph`. Luigi's import takes a second or more: what an operator asks with `osa` does without it.
"""
