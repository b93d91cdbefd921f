"""A lineage as a picture, in PROV's own shapes, drawn by Graphviz: folded, so that a run of any number of subruns fits on a page."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from osa_luigi.errors import ProductError
from osa_luigi.ledger.folding import Fold, Origin
from osa_luigi.ledger.provenance import LEVELS

SOURCE = (".dot", ".gv")
"""Graphviz's own language: written without Graphviz."""

FORMATS = (".svg", ".png", ".pdf", *SOURCE)
LIMIT_S = 120

STYLE = """\
  rankdir=BT; nodesep=0.2; ranksep=0.4;
  node [fontname="Helvetica", fontsize=11, style=filled, color="#808080"];
  edge [color="#505050", fontname="Helvetica", fontsize=9];
"""
ENTITY = 'shape=ellipse, fillcolor="#FFFC87"'
ACTIVITY = 'shape=box, fillcolor="#9FB1FC"'
AGENT = 'shape=house, fillcolor="#FED37F"'
FOREIGN = 'shape=ellipse, fillcolor="#E8E8E8"'


def draw(folds: Iterable[Fold], out: Path, roles: Iterable[str] = ()) -> None:
    """Write a picture; its format is the end of the file's name.

    Parameters
    ----------
    roles
        Of the first fold, the products that were asked about; all, if none is given.

    Raises
    ------
    ProductError
        There is no Graphviz, or it failed.
    OSError
        The file cannot be written.
    """
    text = "\n".join(dot(list(folds), set(roles))) + "\n"
    if out.suffix in SOURCE:
        out.write_text(text)
        return
    command = shutil.which("dot")
    if command is None:
        raise ProductError(
            f"{out}: pictures are drawn by Graphviz, and there is no command dot here. Install it (apt-get install graphviz, or "
            f"conda install graphviz), or write {out.with_suffix('.dot').name}, which needs none, and draw that elsewhere."
        )
    try:
        done = subprocess.run(
            [command, f"-T{out.suffix[1:]}"], input=text.encode(), capture_output=True, timeout=LIMIT_S, check=True
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        said = (error.stderr or b"").decode(errors="replace").strip().partition("\n")[0]
        raise ProductError(
            f"{out}: Graphviz could not draw it ({said or error}). Write {out.with_suffix('.dot').name} instead."
        ) from error
    out.write_bytes(done.stdout)


def dot(folds: list[Fold], roles: set[str]) -> Iterator[str]:
    """The picture in Graphviz's language: what came later points to what was before, as in PROV."""
    yield "digraph provenance {"
    yield STYLE
    names = {fold: f"a{number}" for number, fold in enumerate(folds)}
    origins = {origin: f"f{number}" for number, origin in enumerate(_origins(folds))}
    for fold, name in names.items():
        yield f"  {name} [{ACTIVITY}, label={_label(fold.what, f'{fold.when}, {fold.where}')}];"
        for role in sorted(_shown(fold, folds, roles)):
            yield f"  {name}_{role} [{ENTITY}, label={_label(*_products(fold, role))}];"
            yield f"  {name}_{role} -> {name};"
    for origin, name in origins.items():
        yield f"  {name} [{FOREIGN}, label={_label(*_foreign(origin))}];"
    for fold in folds:
        yield from (f"  {names[fold]} -> {names[maker]}_{role};" for maker, role in _read(fold))
        yield from (f"  {names[fold]} -> {origins[origin]};" for origin in fold.origins.values())
    yield from _agents(names)
    yield "}"


def _agents(names: dict[Fold, str]) -> Iterator[str]:
    """The software: one for all, or each beside what it made."""
    users: dict[str, list[str]] = {}
    for fold, name in names.items():
        users.setdefault(json.dumps(fold.first.software), []).append(name)
    for number, (software, users_of) in enumerate(users.items()):
        versions = [f"{package} {version}" for package, version in json.loads(software).items()]
        lines = ["software", *(", ".join(versions[at : at + 3]) for at in range(0, len(versions), 3))]
        yield f"  s{number} [{AGENT}, label={_label(*lines)}];"
        if len(users) > 1:
            yield from (f"  {user} -> s{number} [style=dashed, constraint=false];" for user in users_of)


def _read(fold: Fold) -> set[tuple[Fold, str]]:
    return {maker for makers in fold.inputs.values() for maker in makers}


def _shown(fold: Fold, folds: list[Fold], roles: set[str]) -> set[str]:
    """The products that something in the picture reads, or that were asked about."""
    read = {role for reader in folds for maker, role in _read(reader) if maker is fold}
    asked = {made.role for made in fold.first.outputs}
    return read | ((asked & roles if roles else asked) if fold is folds[0] or not read else set())


def _origins(folds: Iterable[Fold]) -> dict[Origin, None]:
    return dict.fromkeys(origin for fold in folds for origin in fold.origins.values())


def _products(fold: Fold, role: str) -> Iterator[str]:
    files = fold.files(role)
    level = LEVELS.get((fold.step, role), "")
    yield files[0].path.name if len(files) == 1 else f"{len(files)} × {role}"
    one = f"sha256 {files[0].made.sha256[:12]}…" if len(files) == 1 else ""
    yield ", ".join(part for part in (level, one) if part)


def _foreign(origin: Origin) -> Iterator[str]:
    paths = origin.paths
    yield paths[0].name if len(paths) == 1 else f"{len(paths)} × {origin.role}"
    yield origin.role if len(paths) == 1 else f"{origin.size / 2**20:,.0f} MB"


def _label(*lines: str) -> str:
    return json.dumps("\n".join(line for line in lines if line), ensure_ascii=False)
