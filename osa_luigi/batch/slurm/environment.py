"""The running environment as one file, and its way onto a node's own disk.

    osa-environment.json                     what it is: the first member, so that it is read without the rest
    bin/python                               a link to the interpreter
    python/…                                 the interpreter with its standard library, unless it is the system's
    lib/pythonX.Y/site-packages/…            every package; those installed in editable mode from where they really lie
    osa-environment.end                      its identity again: what was unpacked is whole, and of one archive

pyvenv.cfg is added at unpacking: it must name the place.

Five thousand jobs that import the analysis from a shared file system open its files by the hundred million; from an unpacked archive
they open none there.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import io
import json
import os
import secrets
import shlex
import sys
import tarfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from osa_luigi.errors import ExecutorError

FORMAT = 2
MANIFEST = "osa-environment.json"
END = "osa-environment.end"
"""The last member: missing in an archive that was cut short, and another one where a copy was laid over it while it was read."""

COMPLETE = ".complete"
"""Made last in an unpacked environment; its time is that of the last use."""

KEPT_DAYS = 14
"""Unpacked environments that nobody used for so long are removed when another one is unpacked."""

_LEFT_OUT = ("__editable__", "_virtualenv", "distutils-precedence")
"""Beginnings of files that point to where an environment was, or patch it for installing."""

_NOT_NEEDED = frozenset({"site-packages", "test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3"})
"""Folders of the standard library."""

VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"
LIBRARY = f"lib/{VERSION}/site-packages"
SYSTEM = Path("/usr")

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Packed:
    """An archive that was written: its identity, files in it, their size and its own (bytes), and how long that took (s)."""

    identity: str
    files: int
    content: int
    size: int
    seconds: float


def pack(archive: Path, folders: Iterable[Path] | None = None) -> Packed:
    """Write the running environment into an archive; compressed if its name ends in ``gz``.

    Parameters
    ----------
    archive
        Replaced as a whole if it is there.
    folders
        Of packages, the first that has a file wins; those of the running interpreter unless given.

    Raises
    ------
    ExecutorError
        The archive cannot be written.
    """
    started = time.monotonic()
    files = dict(_files(list(folders) if folders is not None else site_packages()))
    files |= _interpreter(Path(sys.base_prefix))
    identity = _identity(files)
    draft = archive.with_name(f".{archive.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        _write(draft, files, identity, compressed=archive.name.endswith("gz"))
        draft.replace(archive)
    except OSError as error:
        raise ExecutorError(f"{archive}: cannot be written ({error}). Make room, or choose another place.") from error
    finally:
        draft.unlink(missing_ok=True)
    content = sum(path.stat().st_size for path in files.values())
    return Packed(identity, len(files), content, archive.stat().st_size, time.monotonic() - started)


def site_packages() -> list[Path]:
    """The folders from which the running interpreter imports installed packages, in its order."""
    named = [Path(entry) for entry in sys.path if Path(entry).name in ("site-packages", "dist-packages")]
    return [folder for folder in dict.fromkeys(named) if folder.is_dir()]


def _files(folders: list[Path]) -> Iterator[tuple[str, Path]]:
    """Every file of the packages: its place in the archive, and where it lies. Of one place, the last one given counts."""
    for folder in reversed(folders):
        yield from _tree(folder, LIBRARY)
    for name, source in _editable(folders):
        yield from _tree(source, f"{LIBRARY}/{name}") if source.is_dir() else [(f"{LIBRARY}/{source.name}", source)]


def _interpreter(prefix: Path) -> dict[str, Path]:
    """The files of an interpreter that somebody put on a shared file system; the system's own is on every node."""
    if prefix == SYSTEM:
        return {}
    standard = f"lib/{VERSION}"
    return {
        f"python/bin/{VERSION}": Path(os.path.realpath(sys.executable)),
        **{f"python/lib/{path.name}": path for path in sorted((prefix / "lib").glob("libpython*.so*"))},
        **dict(_tree(prefix / standard, f"python/{standard}", _NOT_NEEDED)),
    }


def _tree(folder: Path, place: str, without: frozenset[str] = frozenset()) -> Iterator[tuple[str, Path]]:
    for root, names, files in os.walk(folder, followlinks=True):
        names[:] = sorted(name for name in names if not (name in without or (without and name.startswith("config-"))))
        for file in sorted(files):
            path = Path(root, file)
            if path.is_file() and not file.startswith(_LEFT_OUT):
                yield f"{place}/{path.relative_to(folder)}", path


def _editable(folders: list[Path]) -> Iterator[tuple[str, Path]]:
    """Packages that lie elsewhere, in somebody's working copy: name and place. This one is always taken from where it runs."""
    here = Path(__file__).parents[2]
    names = {here.name: here}
    for distribution in importlib.metadata.distributions(path=[str(folder) for folder in folders]):
        if _is_editable(distribution):
            for name in (distribution.read_text("top_level.txt") or distribution.name.replace("-", "_")).split():
                names.setdefault(name, _source(name))
    yield from names.items()


def _is_editable(distribution: importlib.metadata.Distribution) -> bool:
    origin = json.loads(distribution.read_text("direct_url.json") or "{}")
    return bool(origin.get("dir_info", {}).get("editable"))


def _source(name: str) -> Path:
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise ExecutorError(f"{name}: is installed in editable mode, but cannot be found. Install it again.")
    path = Path(found.origin)
    return path.parent if path.name == "__init__.py" else path


def _identity(files: dict[str, Path]) -> str:
    """A hash of the content, bytecode left aside."""
    total = hashlib.sha256(sys.version.encode())
    for place in sorted(place for place in files if not place.endswith(".pyc")):
        with files[place].open("rb") as file:
            total.update(f"{place}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()[:16]


def _write(draft: Path, files: dict[str, Path], identity: str, *, compressed: bool) -> None:
    interpreter = f"python/bin/{VERSION}"
    python = f"../{interpreter}" if interpreter in files else os.path.realpath(sys.executable)
    manifest = json.dumps({"format": FORMAT, **_told(identity), "version": sys.version})
    # Level 1: five times as fast as the usual one, for a tenth more.
    options = {"compresslevel": 1} if compressed else {}
    with tarfile.open(draft, "w:gz" if compressed else "w", bufsize=_BLOCK, dereference=True, **options) as tar:  # type: ignore[call-overload]
        _add_text(tar, MANIFEST, manifest)
        _add_link(tar, "bin/python", python)
        for place, path in files.items():
            tar.add(path, place, recursive=False)
        _add_text(tar, END, identity)


def _told(identity: str) -> dict[str, str]:
    """How a manifest tells the identity; the batch script looks for these very words."""
    return {"id": identity}


def _add_text(tar: tarfile.TarFile, name: str, text: str) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mtime = len(text.encode()), int(time.time())
    tar.addfile(member, io.BytesIO(text.encode()))


def _add_link(tar: tarfile.TarFile, name: str, target: str) -> None:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, target
    tar.addfile(member)


def identity_of(archive: Path) -> str:
    """What an archive holds, by its first member.

    Raises
    ------
    ExecutorError
        It is none of ours, or cannot be read.
    """
    try:
        with tarfile.open(archive) as tar:
            first = tar.next()
            text = tar.extractfile(first) if first is not None and first.name == MANIFEST else None
            content = json.loads(text.read()) if text else {}
        if content["format"] != FORMAT or not str(content["id"]).isalnum():
            raise ValueError("another version")
        return str(content["id"])
    except (OSError, tarfile.TarError, ValueError, KeyError, EOFError) as error:
        raise ExecutorError(
            f"{archive}: is no environment that can be unpacked ({error}). Make it with `osa environment pack`."
        ) from error


def unpacking(archive: Path, local_folder: Path) -> list[str]:
    """Lines of bash that leave the folder of the unpacked archive in ``$environment``.

    Of elements that start together on a node one unpacks, the others wait for it. What a killed one left half done is done again.
    They start with this archive only: the keys of their jobs hold the versions in it. Another one at its place, packed since, is
    refused before all of it is read: thousands of elements may find it.

    Raises
    ------
    ExecutorError
        The archive cannot be read.
    """
    identity = identity_of(archive)
    return _UNPACKING.format(
        archive=shlex.quote(str(archive)),
        **{name: shlex.quote(text) for name, text in _TROUBLE.items()},
        manifest=MANIFEST,
        told=json.dumps(_told(identity)).strip("{}"),
        end=END,
        parent=shlex.quote(f"{local_folder}/osa-"),
        identity=identity,
        complete=COMPLETE,
        days=KEPT_DAYS,
    ).splitlines()


_TROUBLE = {
    "unread": "cannot be read on this node. Look whether the node sees it, or pack it again.",
    "replaced": (
        "was packed again with other software since this job was submitted, so the job was not started. Put the old archive back, or "
        "cancel what waits (osa cancel --all --date ...); then osa retry --all --date ..., and run the night again."
    ),
    "short": "is cut short. Pack it again.",
    "room": "cannot be unpacked there. Look for room and rights, or set executor.slurm.environment.local_folder.",
}
"""What is said of an archive, in one line: the engine shows an element's last one."""

_UNPACKING = r"""archive={archive}
environments={parent}$(id -u)
environment=$environments/{identity}
trouble={room}
fill() {{
  trouble={unread}
  manifest=$(tar -xOf "$archive" --occurrence=1 {manifest}) || return 1
  trouble={replaced}
  case $manifest in *'{told}'*) ;; *) return 1 ;; esac
  trouble={room}
  find "$environments" -mindepth 2 -maxdepth 2 -name {complete} -mtime +{days} -printf '%h\0' | xargs -0r rm -rf
  rm -rf "$environment" "$environments"/*.part
  mkdir "$environment.part" || return 1
  said=$(tar -xf "$archive" -C "$environment.part" 2>&1) || {{
    said=${{said#$'\n'}}
    printf '%s\n' "$said" >&2
    trouble="$trouble (${{said%%$'\n'*}})"
    return 1
  }}
  trouble={short}
  end=$(cat "$environment.part/{end}" 2>/dev/null) || return 1
  trouble={replaced}
  [ "$end" = {identity} ] || return 1
  trouble={room}
  home=$environment/python/bin
  [ -d "$environment.part/python" ] || home=$(dirname "$(readlink "$environment.part/bin/python")")
  printf 'home = %s\ninclude-system-site-packages = false\n' "$home" > "$environment.part/pyvenv.cfg" || return 1
  touch "$environment.part/{complete}" && mv "$environment.part" "$environment"
}}
unpack() {{
  mkdir -p -m 700 "$environments" && [ -O "$environments" ] || return 1
  exec 9>"$environments/lock" && flock 9 || return 1
  [ -e "$environment/{complete}" ] || fill || {{
    rm -rf "$environment.part"
    return 1
  }}
  exec 9>&-
}}
[ -e "$environment/{complete}" ] || unpack || {{
  echo "$environment: $archive $trouble" >&2
  exit 1
}}
touch -c "$environment/{complete}"
"""
