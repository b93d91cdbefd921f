"""The operator's command line: ``osa``."""

from __future__ import annotations


def main() -> None:
    """The console script."""
    import gc

    from osa_luigi.cli.app import app  # a page that imports this room for its placeholders needs no click

    try:
        app(prog_name="osa")
    finally:
        gc.freeze()  # else Python looks for garbage in all of it before it ends
