"""Jobs in an image: the command that is to start it, with binds and environment as it would have them.

No Apptainer is needed: a stand-in shows its program a file system in which the site is hidden but for what was bound, as a container does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from slurm_site import PATIENCE_S, Site
from waiting import eventually

from osa_luigi.ledger.report.page import PAGE
from tests.drills.arrays import array_file, array_names

APPTAINER = """#!/bin/bash
# apptainer exec --bind=... IMAGE PROGRAM ...: with a file system of its own, in which HIDDEN holds what is bound and nothing else.
if [ "$OSA_TEST_INSIDE" != 1 ]; then
    export OSA_TEST_INSIDE=1
    exec unshare --user --map-root-user --mount "$0" "$@"
fi
unset OSA_TEST_INSIDE
printf '%s\\0' "$@" > "LOGS/$SLURM_ARRAY_JOB_ID.$SLURM_ARRAY_TASK_ID.arguments"
env -0 > "LOGS/$SLURM_ARRAY_JOB_ID.$SLURM_ARRAY_TASK_ID.environment"
[ "$1" = exec ] || exit 64
shift
binds=()
while [[ "$1" == --bind=* ]]; do binds+=("${1#--bind=}"); shift; done
kept=$(mktemp -d) || exit 65
mount -t tmpfs none "$kept" || exit 65
place() { if [ -d "$1" ]; then mkdir -p "$2"; else mkdir -p "${2%/*}" && touch "$2"; fi; }
for n in "${!binds[@]}"; do place "${binds[n]}" "$kept/$n" && mount --rbind "${binds[n]}" "$kept/$n" || exit 65; done
mount -t tmpfs none "HIDDEN" || exit 65
for n in "${!binds[@]}"; do place "$kept/$n" "${binds[n]}" && mount --rbind "$kept/$n" "${binds[n]}" || exit 65; done
[ -e "HIDDEN/luigi.cfg" ] && exit 66
export APPTAINER_CONTAINER=$1 PYTHONPATH=MODULES
cd "$PWD" && shift
exec "$@"
"""


@pytest.fixture
def apptainer(site: Site) -> Path:
    """Its folder, for the PATH."""
    if subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    ).returncode:
        pytest.skip("this machine gives no mount namespaces")
    folder = site.folder.with_name(f"{site.folder.name}-bin")
    folder.mkdir()
    script = APPTAINER.replace("HIDDEN", str(site.folder)).replace("LOGS", str(folder))
    modules = os.pathsep.join(entry for entry in sys.path if entry)
    (folder / "apptainer").write_text(script.replace("MODULES", f"'{modules}'"))
    (folder / "apptainer").chmod(0o755)
    return folder


def test_a_night_in_an_image(site: Site, apptainer: Path) -> None:
    image = apptainer / "osa.sif"
    image.touch()
    site.settings["environment"] = {
        "image": str(image),
        "python": sys.executable,
        "prologue": [f"export PATH={apptainer}:$PATH", "export APPTAINERENV_MARK=1"],
    }
    site.configure()
    engine = site.start()
    assert engine.wait(PATIENCE_S) == 0, (site.folder / "luigi0.log").read_text()[-2000:]
    assert (site.production.root / "NightFinished.txt").exists()
    # The closing job makes the report once it has told the engine: it sees the configuration.
    eventually((site.production.root / PAGE).exists, PATIENCE_S)

    started = {
        path.name.removesuffix(".arguments"): path.read_text().split("\0") for path in apptainer.glob("*.arguments")
    }
    intents = [array_file(site.production, name, "intent.json") or b"" for name in array_names(site.production)]
    elements = sum(len(json.loads(intent)["elements"]) for intent in intents)
    assert len(started) == elements > 5, "each element ran in it, and once"
    for words in started.values():
        bound = [word.removeprefix("--bind=") for word in words if word.startswith("--bind=")]
        assert words[len(bound) + 1 : len(bound) + 6] == [
            str(image),
            sys.executable,
            "-P",
            "-m",
            "osa_luigi.batch.slurm.element",
        ]
        shown = [site.folder / name for name in ("data", "procedures.yaml", "site.yaml")]
        assert bound == [str(path) for path in shown], "the rest lies in the first"
    for path in apptainer.glob("*.environment"):
        held = dict(entry.partition("=")[::2] for entry in path.read_text().split("\0") if entry)
        assert held["APPTAINERENV_MARK"] == "1", "the prologue's"
        assert "OSA_CONFIG" not in held, "of the engine's environment nothing"
        assert "SLURM_ARRAY_TASK_ID" in held
