"""What luigi's own configuration says of this engine."""

from __future__ import annotations

import os

import luigi

from osa_luigi.config.luigi_cfg import DEFAULT, OPTION, SECTION


class osa_luigi(luigi.Config):  # type: ignore[misc]  # noqa: N801 (the name of the section in luigi.cfg)
    """Section ``[osa_luigi]`` of luigi.cfg."""

    config = luigi.Parameter(
        default=DEFAULT,
        description="Path of the main configuration; the environment variable OSA_CONFIG goes before luigi.cfg",
    )


def prefer_environment() -> None:
    """Let OSA_CONFIG go before luigi.cfg, which may be anybody's in the folder that luigi was started in."""
    if path := os.environ.get("OSA_CONFIG"):
        luigi.configuration.get_config().set(SECTION, OPTION, path)
