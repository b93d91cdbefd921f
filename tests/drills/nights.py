"""Nights for the drills, the tests of the chain and the benchmarks, and the commands that an operator would type on them."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from osa_luigi.night import compact
from osa_luigi.products.production import Production
from osa_luigi.tasks.opening import open_session
from osa_luigi.tasks.session import Session

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "tests" / "chain" / "night" / "site.yaml"
KEPT = Path(os.environ.get("OSA_TEST_NIGHT", ROOT / ".test-night"))
"""Where the tiny night is kept between runs: it takes minutes to make and nothing to look at again."""

DAY = date(2024, 11, 15)
TINY: dict[str, str | int] = {
    "drs4-events": 500,
    "pedcal-events": 300,
    "data-runs": 1,
    "subruns": 2,
    "events": 120,
    "mc-events": 800,
    "processes": 2,
}
"""The smallest night that the real chain accepts: with fewer DRS4 events its type is not recognised, for one."""

INPUTS = ("R0", "monitoring", "models", "truth")


@dataclass(frozen=True)
class Site:
    """A site's folder, and the commands on it.

    Parameters
    ----------
    base
        Stands for ``/fefs/aswg/data/real``.
    config
        Main configuration; takes its base from the environment.
    day
        The night that commands are given for.
    """

    base: Path
    config: Path = CONFIG
    day: date = DAY

    @property
    def raw(self) -> Path:
        """The night's raw files."""
        return self.base / "R0" / compact(self.day)

    def production(self, production_id: str) -> Production:
        """A production of the night."""
        return Production(self.base / "running_analysis" / compact(self.day) / production_id)

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """As for any command on this site."""
        return {**os.environ, "OSA_BASE": str(self.base), "OSA_CONFIG": str(self.config), **(more or {})}

    @contextmanager
    def in_environment(self) -> Iterator[None]:
        """For what is asked of the package in this very process."""
        before = dict(os.environ)
        os.environ.update(self.environment())
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)

    def session(self, production: str = "", procedure: str = "") -> Session:
        """The night validated, observed and planned."""
        with self.in_environment():
            return open_session(self.config, self.day, production, procedure)

    def night_command(self, *arguments: str) -> list[str]:
        """The main job, by luigi's own command."""
        task = ("--module", "osa_luigi", "NightTask", "--date", self.day.isoformat(), "--local-scheduler")
        return [script("luigi"), *task, *arguments]

    def run_night(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the main job to its end; what it says is in `stdout`."""
        return self.run(self.night_command(*arguments))

    def osa(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The operator's command line."""
        return self.run([script("osa"), *arguments])

    def run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run a command in the base; its two streams come as one."""
        return subprocess.run(
            command,
            cwd=self.base,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )


def script(name: str) -> str:
    """A command that was installed beside this interpreter."""
    return str(Path(sys.executable).with_name(name))


def tiny_night() -> Site:
    """The tiny simulated night, made where it is missing."""
    return kept_night(TINY)


def kept_night(options: Mapping[str, str | int], *more: str) -> Site:
    """A simulated night, made where it is missing.

    Parameters
    ----------
    options
        Of ``osa telescope simulate``.
    more
        Options that are given several times, ``--fault=…``.

    Raises
    ------
    RuntimeError
        It could not be simulated; with what the simulation said.
    """
    told = repr(sorted(options.items())) + "".join(more)
    name = hashlib.sha256(told.encode()).hexdigest()[:8]
    site = Site(KEPT / name)
    site.base.mkdir(parents=True, exist_ok=True)
    flags = [f"--{option}={value}" for option, value in options.items()]
    made = site.osa("telescope", "simulate", f"--base={site.base}", f"--date={DAY}", *flags, *more)
    if made.returncode:
        raise RuntimeError(f"the night cannot be simulated:\n{made.stdout}")
    return site


def copy_inputs(site: Site, base: Path) -> Site:
    """The same night at another site, without products: raw files by hard link where the file system allows it."""
    for name in INPUTS:
        if (site.base / name).exists():
            shutil.copytree(site.base / name, base / name, copy_function=link_or_copy)
    share_cache(site, base)
    return Site(base, site.config)


def share_cache(site: Site, base: Path) -> None:
    """Compiled functions cost half a minute of CPU: other sites use the same."""
    (site.base / "cache").mkdir(parents=True, exist_ok=True)
    base.mkdir(parents=True, exist_ok=True)
    (base / "cache").symlink_to(site.base / "cache")


def link_or_copy(source: str, target: str) -> str:
    """For `shutil.copytree`."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target
