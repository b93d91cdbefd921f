"""What is to be done, as data: a step applied to one unit of a night.

A `StepCall` is all that a job needs to know, so it travels as JSON to a pool on this machine or to a node of a cluster.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from osa_luigi.products.identity import canonical_json, plain

NOTHING: Mapping[str, Any] = {}


class Input:
    """A file (or a folder) that a step reads; never changed. Two are equal if they say the same, whatever kind they are of.

    It holds nothing itself: a night's plan has tens of thousands of inputs, and each kind keeps no more than it needs.
    """

    __slots__ = ()

    if TYPE_CHECKING:  # each kind has slots or properties for these

        @property
        def role(self) -> str:
            """What it is to the step, such as ``raw`` or ``calibration``; several inputs may share a role, in order."""

        @property
        def place(self) -> str:
            """Absolute path, as text: a `Path` takes three times the memory."""

        @property
        def identity(self) -> Any:
            """What stands for it in the step key: the producer's key, or the identity of a foreign file."""

        @property
        def key(self) -> str:
            """The producer's step key where the input is a product of this engine, else empty."""

    @property
    def path(self) -> Path:
        """Absolute path."""
        return Path(self.place)

    def identity_json(self) -> str:
        """Canonical JSON of the identity."""
        return canonical_json(self.identity)

    def as_json(self) -> dict[str, Any]:
        """The input in JSON's own types."""
        return {"role": self.role, "path": self.place, "identity": plain(self.identity), "key": self.key}

    def read_as(self, role: str) -> Input:
        """The same to a step that calls it otherwise."""
        return FileInput(role, self.place, self.identity, self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Input) and self._said() == other._said()

    def __hash__(self) -> int:
        return hash((self.role, self.place))

    def __repr__(self) -> str:
        return f"{type(self).__name__}{self._said()!r}"

    def __reduce__(self) -> tuple[type[Input], tuple[str, str, Any, str]]:
        return FileInput, self._said()

    def _said(self) -> tuple[str, str, Any, str]:
        return self.role, self.place, self.identity, self.key


class FileInput(Input):
    """An input of which everything is said outright.

    Parameters
    ----------
    role, place, identity, key
        As of an `Input`.
    """

    __slots__ = ("_identity_json", "identity", "key", "place", "role")
    role: str
    place: str
    identity: Any
    key: str

    def __init__(self, role: str, place: str, identity: Any, key: str = "") -> None:
        self.role, self.place, self.identity, self.key = role, place, identity, key
        self._identity_json = ""

    def identity_json(self) -> str:
        """As of an `Input`; written once, for most are read by several steps."""
        if not self._identity_json:
            self._identity_json = canonical_json(self.identity)
        return self._identity_json


@dataclass(frozen=True, slots=True)
class Output:
    """A file that a step makes.

    Parameters
    ----------
    role
        What it is, such as ``dl1`` or ``muons``.
    place
        Where it goes, relative to the production's folder; kept as text, as of an `Input`.
    optional
        Whether the tool may rightly leave it out (no muon ring in a subrun, say).
    """

    role: str
    place: str | Path
    optional: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "place", str(self.place))

    @property
    def path(self) -> Path:
        """Relative to the production's folder."""
        return Path(self.place)

    def as_json(self) -> dict[str, Any]:
        """The output in JSON's own types."""
        return {"role": self.role, "path": self.place, "optional": self.optional}


UNIT = "\0"
"""Stands for the unit in the place of an output."""


@dataclass(frozen=True, slots=True, eq=False)
class Outputs(Sequence[Output]):
    """The outputs of a call: the same for all units of a step but for the unit in their names, so all of them share `kinds`.

    Parameters
    ----------
    kinds
        The outputs with `UNIT` wherever their places name the unit.
    """

    unit: str
    kinds: tuple[Output, ...]

    @classmethod
    def of(cls, unit: str, outputs: Iterable[Output]) -> Outputs:
        """The same outputs, held in less memory."""
        return cls(unit, _shared_kinds(tuple(_named(one, unit, UNIT) for one in outputs)))

    @overload
    def __getitem__(self, index: int) -> Output: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Output, ...]: ...
    def __getitem__(self, index: int | slice) -> Output | tuple[Output, ...]:
        if isinstance(index, slice):
            return tuple(self)[index]
        return _named(self.kinds[index], UNIT, self.unit)

    def __iter__(self) -> Iterator[Output]:
        return (_named(kind, UNIT, self.unit) for kind in self.kinds)

    def __len__(self) -> int:
        return len(self.kinds)

    def of_role(self, role: str) -> Output:
        """The output of a role; the others are not made for it."""
        return next(_named(kind, UNIT, self.unit) for kind in self.kinds if kind.role == role)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))


def _named(output: Output, old: str, new: str) -> Output:
    return Output(output.role, str(output.place).replace(old, new), output.optional)


@lru_cache(maxsize=1024)
def _shared_kinds(kinds: tuple[Output, ...]) -> tuple[Output, ...]:
    return kinds


@dataclass(frozen=True, slots=True)
class Needs:
    """What an attempt may use: resident memory (MiB), cores, and wall time (s)."""

    memory_mb: int
    cores: int
    time_limit_s: float


@dataclass(frozen=True, slots=True)
class StepCall:
    """One step applied to one unit.

    Parameters
    ----------
    step
        The step's name, such as ``r0_to_dl1``.
    unit
        ``Run02008.0003``, ``Run02008`` or ``night``.
    key
        The step key, the identity of the outputs.
    settings
        The scientific settings that entered the key, and nothing else.
    inputs, outputs
        Declared files; the attempt sees the inputs read-only and makes the outputs in its scratch folder.
    configs
        Files that hold a resolved lstchain configuration: role → absolute path. Their content is in `settings` by hash.
    needs
        Operational: what the attempt may use.
    fake
        Behaviour of a fake step in place of lstchain; ``None`` for the real thing.
    decisions
        Those that left units out of its inputs, as `osa_luigi.products.decisions.Decision.short` tells them: for the receipt, and the
        reason why there are fewer inputs than before. Not part of the key.
    chosen
        What an input was chosen by, for people and the receipt; under ``lacks`` why it could not be, and what to do: the attempt fails
        by that. Not part of the key.
    software
        Versions that entered the key. An attempt refuses to be made with others; where none are told it cannot know.
    """

    step: str
    unit: str
    key: str
    settings: Mapping[str, Any]
    inputs: tuple[Input, ...]
    outputs: Sequence[Output]
    configs: Mapping[str, Path] = field(default_factory=dict)
    needs: Needs = Needs(memory_mb=2000, cores=1, time_limit_s=3600.0)
    fake: Mapping[str, Any] | None = None
    decisions: tuple[Mapping[str, Any], ...] = ()
    chosen: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    software: Mapping[str, str] = field(default_factory=lambda: NOTHING, repr=False, compare=False)
    name: str = field(init=False, repr=False, compare=False)
    """``r0_to_dl1.Run02008.0003``: unique within a production. One text for all who keep it: an engine does so in many places."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", f"{self.step}.{self.unit}")

    def paths(self, role: str) -> tuple[Path, ...]:
        """All inputs of a role, in order."""
        return tuple(item.path for item in self.inputs if item.role == role)

    def path(self, role: str) -> Path:
        """The one input of a role.

        Raises
        ------
        KeyError
            If the role has no input, or several.
        """
        found = self.paths(role)
        if len(found) != 1:
            raise KeyError(f"{self.name} has {len(found)} inputs of role {role!r}, not one")
        return found[0]

    def output(self, role: str) -> Output:
        """The declared output of a role."""
        if isinstance(self.outputs, Outputs):
            return self.outputs.of_role(role)
        return next(item for item in self.outputs if item.role == role)

    def as_json(self) -> dict[str, Any]:
        """The call in JSON's own types."""
        needs = self.needs
        return {
            "step": self.step,
            "unit": self.unit,
            "key": self.key,
            "settings": plain(self.settings),
            "inputs": [item.as_json() for item in self.inputs],
            "outputs": [item.as_json() for item in self.outputs],
            "configs": {role: str(path) for role, path in self.configs.items()},
            "needs": {"memory_mb": needs.memory_mb, "cores": needs.cores, "time_limit_s": needs.time_limit_s},
            "fake": plain(self.fake),
            **({"decisions": plain(self.decisions)} if self.decisions else {}),
            **({"chosen": plain(self.chosen)} if self.chosen else {}),
            **({"software": plain(self.software)} if self.software else {}),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> StepCall:
        """The call that `as_json` described."""
        return cls(
            step=data["step"],
            unit=data["unit"],
            key=data["key"],
            settings=data["settings"],
            inputs=tuple(
                FileInput(item["role"], item["path"], item["identity"], item["key"]) for item in data["inputs"]
            ),
            outputs=tuple(Output(item["role"], item["path"], item["optional"]) for item in data["outputs"]),
            configs={role: Path(path) for role, path in data["configs"].items()},
            needs=Needs(**data["needs"]),
            fake=data["fake"],
            decisions=tuple(data.get("decisions", ())),
            chosen=data.get("chosen", {}),
            software=_shared_software(*data.get("software", {}).items()),
        )


@lru_cache(maxsize=16)
def _shared_software(*versions: tuple[str, str]) -> Mapping[str, str]:
    return dict(versions)
