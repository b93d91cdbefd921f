"""Find the class that an analysis names: in a file, in a module, or behind an entry point."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from osa_luigi.errors import StepError

GROUP = "osa_luigi.analyses"
"""Group of the entry points by which an installed package offers analyses."""


@dataclass(frozen=True, slots=True)
class ClassSpec:
    """Where a class is.

    Parameters
    ----------
    name
        ``Class`` in `path`; ``module:Class``; or the name of an entry point.
    path
        The file that holds it.
    helpers
        Files that it imports from the same folder, so that their content counts as well.
    """

    name: str
    path: Path | None = None
    helpers: tuple[Path, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """In JSON's own types."""
        return {
            "name": self.name,
            "path": str(self.path) if self.path else None,
            "helpers": [str(helper) for helper in self.helpers],
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> ClassSpec:
        """What `as_json` described."""
        path = content["path"]
        return cls(content["name"], Path(path) if path else None, tuple(map(Path, content["helpers"])))


def load_class(spec: ClassSpec) -> type[Any]:
    """The class itself; imports the user's code.

    Raises
    ------
    StepError
        It is not there, or is no analysis.
    Exception
        Whatever importing it raises.
    """
    found = _find(spec)
    if not inspect.isclass(found):
        raise StepError(f"{spec.name} is no class{_where(spec)}: `class` must name the analysis's class")
    lacking = [name for name in ("output", "run") if not callable(getattr(found, name, None))]
    if lacking:
        raise StepError(
            f"the class {spec.name}{_where(spec)} has no method {' and no '.join(lacking)}: an analysis has __init__(parameters), "
            "output() and run(data, output_dir)"
        )
    return found


def _where(spec: ClassSpec) -> str:
    return f" ({spec.path})" if spec.path else ""


def _find(spec: ClassSpec) -> Any:
    if spec.path:
        return _member(_module_of(spec.path), spec.name, str(spec.path))
    module, colon, name = spec.name.partition(":")
    if colon:
        return _member(importlib.import_module(module), name, module)
    known = {point.name: point for point in entry_points(group=GROUP)}
    if spec.name not in known:
        raise StepError(
            f"no installed package offers an analysis {spec.name!r} (entry points of {GROUP}: {', '.join(sorted(known)) or 'none'}): "
            "write module:Class, or give the file that holds the class as `path`"
        )
    return known[spec.name].load()


def _module_of(path: Path) -> ModuleType:
    sys.path.insert(0, str(path.parent))  # helpers lie beside it
    found = importlib.util.spec_from_file_location(path.stem, path)
    if found is None or found.loader is None:
        raise StepError(f"{path}: is no Python file: `path` must name the file (.py) that holds the class")
    module = importlib.util.module_from_spec(found)
    sys.modules[path.stem] = module
    found.loader.exec_module(module)
    return module


def _member(module: ModuleType, name: str, where: str) -> Any:
    if not hasattr(module, name):
        classes = [
            key for key, value in vars(module).items() if inspect.isclass(value) and value.__module__ == module.__name__
        ]
        raise StepError(f"{where}: has no class {name!r}; it has {', '.join(classes) or 'none'}")
    return getattr(module, name)


def source_file(found: type[Any]) -> Path:
    """The file in which a class is written."""
    return Path(inspect.getfile(found))


def source_hashes(found: type[Any], spec: ClassSpec) -> dict[str, str]:
    """File name → hash of its content, for the class's file and its helpers: what enters the step key."""
    files = (source_file(found), *spec.helpers)
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
