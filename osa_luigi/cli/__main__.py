"""``python -m osa_luigi.cli``: the same as ``osa``, by an interpreter that is known."""

from osa_luigi.cli import main

main()
