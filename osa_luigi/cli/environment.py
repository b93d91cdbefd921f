"""``osa environment``: the software as one file, for the nodes of a cluster."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from osa_luigi.batch.slurm.environment import pack
from osa_luigi.cli import options


@click.group()
def environment() -> None:
    """The software that jobs find on their nodes."""


@environment.command("pack")
@click.argument("archive", type=click.Path(path_type=Path, dir_okay=False))
@options.as_json
def pack_(archive: Path, as_json: bool) -> None:
    """Pack all that this interpreter has installed into ARCHIVE, osa_luigi included.

    With executor.slurm.environment.archive jobs run from it: each node unpacks it once. Compressed if its name ends in gz, which
    takes longer. An interpreter of the system's (in /usr) is not packed: the nodes must have the same. Pack again after an update,
    best to another name: jobs that wait start only with the archive that they were submitted with.

    \b
    Examples:
        osa environment pack osa.tar
        osa environment pack osa.tar.gz --json

    \b
    Exit codes: 0 good, 3 it cannot be written.
    """
    packed = pack(archive.absolute())
    if as_json:
        options.print_json({"archive": str(archive.absolute()), **asdict(packed)})
    else:
        click.echo(
            f"{archive}: {packed.identity}, {packed.files} files of {packed.content / 1e6:.0f} MB "
            f"in {packed.size / 1e6:.0f} MB, {packed.seconds:.0f} s"
        )
