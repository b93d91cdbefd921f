"""The public seam of a step: what every operation, real or fake, tells the engine about itself."""

from __future__ import annotations

import shlex
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from osa_luigi.steps.call import StepCall


@dataclass(frozen=True, slots=True)
class Tool:
    """A command-line tool that can be called without starting another interpreter.

    Parameters
    ----------
    command
        What a person would type, such as ``lstchain_dl1ab``.
    entry
        Where it starts, as ``package.module:function``; called without arguments, with ``sys.argv`` set.
    mend
        Optional ``package.module:function``, called before the tool: a work-around for a defect of the shipped tool. It must
        check whether it is still needed.
    """

    command: str
    entry: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """What an attempt does, as data, so that it can be executed, or printed for a scientist to repeat.

    Parameters
    ----------
    tool
        The tool to call.
    arguments
        Its arguments, without the command's own name.
    links
        Symbolic links made before, relative to the working folder → absolute target. For tools that take a folder.
    folders
        Folders made before, relative to the working folder.
    copies
        Copies made before, relative to the working folder → absolute source. For tools that write into a file they are given.
    """

    tool: Tool
    arguments: tuple[str, ...]
    links: Mapping[Path, Path] = field(default_factory=dict)
    folders: tuple[Path, ...] = ()
    copies: Mapping[Path, Path] = field(default_factory=dict)

    def shell(self) -> str:
        """The same as lines of shell, to be run in an empty folder."""
        made = (*self.links, *self.copies)
        folders = sorted({*self.folders, *(path.parent for path in made)} - {Path()})
        lines = [f"mkdir -p {shlex.join(map(str, folders))}"] if folders else []
        lines += [f"ln -s {shlex.quote(str(target))} {shlex.quote(str(link))}" for link, target in self.links.items()]
        # Products are read-only; a copy must not be.
        lines += [
            f"cp --no-preserve=mode {shlex.quote(str(source))} {shlex.quote(str(copy))}"
            for copy, source in self.copies.items()
        ]
        lines.append(f"{self.tool.command} {shlex.join(self.arguments)}")
        return "\n".join(lines)


class Step(ABC):
    """One operation with declared inputs and outputs.

    A step holds no state: everything it works on comes with the `StepCall`. Paths in a `Command` are absolute for inputs and
    relative to the attempt's working folder for whatever the tool writes.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    """Grows when our handling of the tool changes its results: the step key then changes, too."""

    def settled(self, call: StepCall) -> StepCall:
        """The call with what could not be known when it was planned: which of its inputs the results of other steps choose.

        Raises
        ------
        osa_luigi.errors.NightError
            None of them suits, with what to do next.
        """
        return call

    @abstractmethod
    def command(self, call: StepCall) -> Command:
        """The tool's call for this unit; pure: touches no file."""

    @abstractmethod
    def produced(self, call: StepCall) -> Mapping[str, Path]:
        """Where the tool leaves each output: role → path relative to the working folder."""

    def check_inputs(self, call: StepCall) -> None:  # noqa: B027 (most steps have nothing to add)
        """Look at the inputs before the tool does.

        Raises
        ------
        osa_luigi.errors.NightError
            For raw files that are cut short, and the like: what, where, and what to do next.
        """

    def explain(self, call: StepCall, said: str) -> str:
        """What a tool's last words mean and what to do next, where they do not say it themselves; empty where nothing is known."""
        return ""

    @abstractmethod
    def verify(self, call: StepCall, files: Mapping[str, Path]) -> Mapping[str, Any]:
        """Open every output and judge it: readable to its end, expected tables, event counts against the input, finite values.

        Parameters
        ----------
        files
            Role → file, for the outputs that exist. Optional outputs may be missing, others are there.

        Returns
        -------
        Mapping
            What was counted, for the receipt: small, in JSON's own types, such as ``{"events": 200}``.

        Raises
        ------
        osa_luigi.errors.VerificationError
            The file, what is wrong with it, and what to do next.
        """
