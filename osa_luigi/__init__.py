"""osa_luigi: the onsite analysis engine for Cherenkov telescopes, as a luigi task graph.

::

    luigi --module osa_luigi NightTask --date 2024-11-15

Imported by luigi's command (or after luigi), the package registers its tasks, and the worker that hands their work to an executor.
The processes that run steps, and the commands of `osa`, import it, too, and have no use for luigi, whose import takes a second or more:
they are spared it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from osa_luigi.tasks.graph import *  # noqa: F403


def __getattr__(name: str) -> Any:
    """The tasks, when somebody asks for one."""
    if not name.endswith("Task"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from osa_luigi.tasks import graph

    return getattr(graph, name)


if "luigi" in sys.modules:
    import osa_luigi.tasks.graph  # noqa: F401 (registers them)
