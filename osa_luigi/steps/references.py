"""Inputs that hold no text of their own: what they say is put together, when it is asked for, from what a plan has anyway.

A night has tens of thousands of inputs, and most are asked once, when their job is written. As text they were half of an engine's memory.
"""

from __future__ import annotations

from typing import Any

from osa_luigi.night import Subrun, raw_name
from osa_luigi.products.identity import quoted
from osa_luigi.steps.call import Input, StepCall


class Product(Input):
    """An output of another call as an input.

    Parameters
    ----------
    call
        That makes it.
    made_as
        Its role among the outputs of that call.
    root
        The production's folder, absolute.
    role
        What it is to the step that reads it; default: the same.
    """

    __slots__ = ("call", "made_as", "role", "root")
    role: str

    def __init__(self, call: StepCall, made_as: str, root: str, role: str = "") -> None:
        self.call, self.made_as, self.root, self.role = call, made_as, root, role or made_as

    @property
    def place(self) -> str:
        """As of an `Input`."""
        return f"{self.root}/{self.call.output(self.made_as).place}"

    @property
    def identity(self) -> Any:
        """The key of the call that makes it, and which of its outputs it is."""
        return {"key": self.call.key, "role": self.made_as}

    @property
    def key(self) -> str:
        """As of an `Input`."""
        return self.call.key

    def identity_json(self) -> str:
        """As of an `Input`."""
        return f'{{"key":{quoted(self.call.key)},"role":{quoted(self.made_as)}}}'

    def read_as(self, role: str) -> Product:
        return Product(self.call, self.made_as, self.root, role)


class RawInput(Input):
    """A stream of a subrun."""

    __slots__ = ("stream", "subrun")
    role = "raw"
    key = ""

    def __init__(self, subrun: Subrun, stream: int) -> None:
        self.subrun, self.stream = subrun, stream

    @property
    def place(self) -> str:
        """As of an `Input`."""
        return f"{self.subrun.folder}/{self._name}"

    @property
    def identity(self) -> Any:
        """Name and size."""
        return {"name": self._name, "size": self.subrun.size_of(self.stream)}

    def identity_json(self) -> str:
        """As of an `Input`."""
        return f'{{"name":{quoted(self._name)},"size":{self.subrun.size_of(self.stream)}}}'

    @property
    def _name(self) -> str:
        return raw_name(self.subrun.run, self.subrun.subrun, self.stream)
