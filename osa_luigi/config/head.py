"""What every procedure begins with, whatever its type."""

from __future__ import annotations

from osa_luigi.config.rules import OPERATIONAL, Schema, leaf

TYPES = {
    "reconstruction": "raw data to DL2",
    "campaign": "reconstructions of many nights",
    "analysis": "a user's class over products of others",
}
"""Type → what such a procedure says, in a few words. A type that stands here has a schema in `kinds.SCHEMAS`."""

INSTEAD = {
    "daq": "the telescope takes the data, a `reconstruction` processes them",
    "workflow": "write it under `workflows:`",
}
"""What other systems call a type → what to write."""

NAME = r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}"
NAME_HINT = "letters, digits and . _ + - only, 64 at most"


def head(own: str) -> Schema:
    """The keys that procedures of all types have; `own` is the type whose schema they go to."""
    choices = "; ".join(f"`{name}`: {what}" for name, what in TYPES.items())
    more = {} if own == "reconstruction" else {"required": True}
    return {
        "name": leaf(
            OPERATIONAL,
            "string",
            None,
            "What the procedure is called.",
            required=True,
            regex=NAME,
            hint=NAME_HINT,
        ),
        "type": leaf(OPERATIONAL, "string", own, f"{choices}.", allowed=list(TYPES), instead=INSTEAD, **more),
        "extends": leaf(
            OPERATIONAL,
            "string",
            None,
            "A procedure of the same type: what is not said here is as there (null: nothing is taken over).",
            minlength=1,
        ),
    }
