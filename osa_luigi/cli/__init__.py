"""The operator's command line: ``osa``."""

from __future__ import annotations


def main() -> None:
    """The console script."""
    from osa_luigi.cli.app import app  # a page that imports this room for its placeholders needs no click

    app(prog_name="osa")
