"""What a main file and a library have in common, as data: further libraries, and workflows."""

from __future__ import annotations

from osa_luigi.config.head import NAME, NAME_HINT
from osa_luigi.config.rules import OPERATIONAL, Schema, leaf, names, records

SHARING: Schema = {
    "libraries": names(
        OPERATIONAL,
        [],
        "Further files with procedures and workflows; such a file may name libraries of its own.",
        path="this file's folder",
    ),
    "workflows": records(
        OPERATIONAL,
        "Procedures to run one after the other, under one name.",
        {
            "name": leaf(
                OPERATIONAL,
                "string",
                None,
                "What the workflow is called; no procedure has that name.",
                required=True,
                regex=NAME,
                hint=NAME_HINT,
            ),
            "tasks": names(
                OPERATIONAL,
                [],
                "Names of procedures and of other workflows, in their order: each begins when the one before is done.",
                required=True,
                minlength=1,
            ),
        },
    ),
}

LIBRARY_KEYS = ("libraries", "procedures", "workflows")
"""What stands at the top of a library; a file with none of these is a single procedure."""
