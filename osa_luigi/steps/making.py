"""How a step's factory makes a `StepCall`: inputs get their roles, configurations enter the settings, the key is computed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from osa_luigi.errors import ConfigurationError
from osa_luigi.night.names import parse_unit
from osa_luigi.products.identity import canonical_json, digest, quoted, step_key
from osa_luigi.steps.call import NOTHING, Input, Needs, Output, Outputs, StepCall
from osa_luigi.steps.step import Step

NIGHT = "night"
"""The unit of a step that is done once a night."""


class Common(TypedDict):
    """What every factory takes, besides its own keywords.

    ``software``: versions of the packages that make the product, part of the key. ``needs``: what the attempt may use,
    not part of it. ``fake``: behaviour of a fake step; that it is one is part of the key. ``digests``: those of configurations that
    are planned, but not written yet. ``decisions``: see `StepCall`.
    """

    software: Mapping[str, str]
    needs: Needs
    fake: NotRequired[Mapping[str, Any] | None]
    digests: NotRequired[Mapping[Path, str]]
    decisions: NotRequired[tuple[Mapping[str, Any], ...]]


def make(
    step: type[Step],
    *,
    unit: str,
    settings: Mapping[str, Any],
    inputs: Iterable[Input],
    outputs: Iterable[Output],
    software: Mapping[str, str],
    needs: Needs,
    configs: Mapping[str, Path] | None = None,
    fake: Mapping[str, Any] | None = None,
    digests: Mapping[Path, str] | None = None,
    decisions: tuple[Mapping[str, Any], ...] = (),
    chosen: Mapping[str, Any] | None = None,
) -> StepCall:
    """The call of a step for one unit, with its key.

    Parameters
    ----------
    settings
        The scientific settings without the configurations: these are added here, each as the digest of its content
        under its role.
    fake
        A fake product never has the key of a real one, whatever it contains; its behaviour (a failure asked for by
        a test, say) does not change the key.
    digests
        Configuration → digest of its content; the others are read.
    chosen
        See `StepCall`.

    Raises
    ------
    ConfigurationError
        A configuration file cannot be read.
    """
    inputs, configs, digests = tuple(inputs), _shared_configs(*(configs or {}).items()), digests or {}
    settings = {**settings, **{role: digests.get(path) or config_digest(path) for role, path in configs.items()}}
    said = _said(settings)
    made_with = software if fake is None else {**software, "fake": "yes"}
    return StepCall(
        step=step.name,
        unit=unit,
        key=step_key(step.name, step.version, said, _software(*made_with.items()), identities_json(inputs)),
        settings=_shared_settings(said),
        inputs=inputs,
        outputs=outputs if isinstance(outputs, Outputs) else Outputs.of(unit, outputs),
        configs=configs,
        needs=needs,
        fake=fake,
        decisions=decisions,
        chosen=chosen or NOTHING,
        software=software,
    )


@lru_cache(maxsize=256)
def _shared_settings(text: str) -> Mapping[str, Any]:
    """One mapping for all calls with these settings: nearly all calls of a step have the same."""
    settings: Mapping[str, Any] = json.loads(text)
    return settings


def _said(settings: Mapping[str, Any]) -> str:
    """The canonical JSON of settings; those of plain values, as nearly all calls of a step have them, are written once."""
    if all(type(value) in _PLAIN for value in settings.values()):
        return _plainly_said(*settings, *settings.values())
    return canonical_json(settings)


_PLAIN = frozenset({str, int, bool, type(None)})
"""Without floats: 0.0 and -0.0 are equal, and are not the same setting."""


@lru_cache(maxsize=256, typed=True)  # nor are 1 and True
def _plainly_said(*names_and_values: Any) -> str:
    half = len(names_and_values) // 2
    return canonical_json(dict(zip(names_and_values[:half], names_and_values[half:], strict=True)))


@lru_cache(maxsize=16)
def _software(*versions: tuple[str, str]) -> str:
    return canonical_json(dict(versions))


@lru_cache(maxsize=256)
def _shared_configs(*configs: tuple[str, Path]) -> Mapping[str, Path]:
    return dict(configs)


def identities_json(inputs: Iterable[Input]) -> str:
    """Canonical JSON of role → identities of its inputs, in order: where they lie does not count."""
    by_role: dict[str, list[str]] = {}
    for item in inputs:
        by_role.setdefault(item.role, []).append(item.identity_json())
    return "{" + ",".join(f"{quoted(role)}:[{','.join(by_role[role])}]" for role in sorted(by_role)) + "}"


def as_role(role: str, *inputs: Input | None) -> tuple[Input, ...]:
    """The inputs that are there, under a role; those that have it already are shared by all that read them."""
    return tuple(item if item.role == role else item.read_as(role) for item in inputs if item is not None)


def config_digest(path: Path) -> str:
    """Digest of a configuration's content: white space and the order of keys do not count.

    Raises
    ------
    ConfigurationError
        It cannot be read, or is not JSON.
    """
    try:
        status = path.stat()
        return _digest(path, status.st_mtime_ns, status.st_size)
    except OSError as error:
        raise ConfigurationError([f"{path}: cannot be read ({error.strerror or error}): restore it"]) from error
    except ValueError as error:
        raise ConfigurationError([f"{path}: is not JSON ({error}): correct it"]) from error


@lru_cache(maxsize=256)
def _digest(path: Path, _mtime_ns: int, _size: int) -> str:
    """Cached by what changes with the content: the calls of a night ask for the same file thousands of times."""
    return digest(json.loads(path.read_bytes()))


def run_of(unit: str) -> int:
    """Run number of a run or subrun."""
    return parse_unit(unit).run


def subruns_of(units: Sequence[str]) -> list[int]:
    """Subrun numbers of subruns."""
    return [subrun for _, subrun in map(parse_unit, units) if subrun is not None]
