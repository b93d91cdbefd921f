"""The pages say what is there: links lead somewhere, commands parse, errors and rooms are named, no machine is."""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from luigi.cmdline_parser import CmdlineParser

import osa_luigi.tasks.graph  # noqa: F401 (registers what luigi's command lines name)
from osa_luigi import errors
from osa_luigi.cli.app import app

ROOT = Path(__file__).parents[2]
PAGES = [
    *sorted((ROOT / "docs").rglob("*.md")),
    *(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "CHANGELOG")),
]
IDS = [str(page.relative_to(ROOT)) for page in PAGES]
TOOLS = ("osa", "luigi")
SHELLS = ("", "console", "sh", "bash")
PLACEHOLDERS = re.compile(r"…|\.\.\.|<\w|NNNN|\bSTEP\b|\bID\b|\bDATE\b")
HERE = re.compile(r"/work/|/tmp/|/root\b|/home/\w")

page_by_page = pytest.mark.parametrize("page", PAGES, ids=IDS)


def split(page: Path) -> tuple[list[str], list[str]]:
    """Lines of shell, in fences or indented by four spaces, and lines of prose; other code is left out."""
    shell: list[str] = []
    prose: list[str] = []
    fence: str | None = None
    for line in page.read_text().splitlines():
        if line.strip().startswith("```"):
            fence = line.strip().removeprefix("```") if fence is None else None
        elif fence is None and line.startswith("    "):
            shell.append(line)
        elif fence is None:
            prose.append(line)
        elif fence in SHELLS:
            shell.append(line)
    return shell, prose


def commands(page: Path) -> Iterator[list[str]]:
    """Command lines of ours in a page's code, as words, without the shell around them."""
    for line in split(page)[0]:
        yield from _words(line)


def mentions(page: Path) -> Iterator[list[str]]:
    """The same within its sentences, where required options may be left out."""
    for code in re.findall(r"`([^`\n]+)`", "\n".join(split(page)[1])):
        yield from _words(code)


def _words(line: str) -> Iterator[list[str]]:
    bare = re.sub(r"^\s*(\$ )?((\w+=\S+|\S*/bin/\S*) )*", "", line)
    if bare.startswith(tuple(f"{tool} " for tool in TOOLS)) and not PLACEHOLDERS.search(bare):
        words = shlex.split(bare, comments=True)
        ends = [words.index(word) for word in ("|", ">", "&", "&&", ";", "2>&1") if word in words]
        yield words[: min(ends, default=len(words))]


def parse(words: list[str]) -> None:
    """Take a command line apart as `osa` would, and run nothing.

    Raises
    ------
    click.UsageError
        There is no such command, option, or value.
    """
    command: click.Command = app
    parent: click.Context | None = None
    name, *rest = words
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        parent = command.make_context(name, [rest[0]], parent=parent)
        found, sub, _ = command.resolve_command(parent, [rest[0]])
        assert found is not None
        assert sub is not None
        name, command, rest = found, sub, rest[1:]
    if not rest:
        return  # a command's mere name
    with contextlib.suppress(click.exceptions.Exit):  # of --help and --version
        command.make_context(name, rest, parent=parent)


def anchors(page: Path) -> set[str]:
    """The headings of a page as a web page would link them."""
    headings = [line.lstrip("#")[1:] for line in split(page)[1] if line.startswith("#")]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@page_by_page
def test_relative_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"https?:|mailto:", target):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), f"{target}: there is no {found}"
        if anchor:
            assert anchor in anchors(found), f"{target}: {found.name} has no such heading"


@page_by_page
def test_commands_parse(page: Path) -> None:
    for words in commands(page):
        if words[0] == "osa":
            parse(words)
        elif "NightTask" in words:
            with CmdlineParser.global_instance(words[1:]) as parser:
                parser.get_task_obj()
    for words in mentions(page):
        if words[0] == "osa":
            with contextlib.suppress(click.MissingParameter):
                parse(words)


def test_a_wrong_command_would_be_found() -> None:
    with pytest.raises(click.UsageError):
        parse(["osa", "statsu", "--date", "2024-11-15"])
    with pytest.raises(click.UsageError):
        parse(["osa", "step", "run", "dl1ab", "--dates", "2024-11-15"])
    assert sum(len(list(commands(page))) for page in PAGES) > 50


@page_by_page
def test_no_machine_is_named(page: Path) -> None:
    assert not HERE.search(page.read_text())


def test_every_error_is_explained() -> None:
    pages = (ROOT / "docs" / "troubleshooting.md").read_text()
    found = [
        name for name, item in vars(errors).items() if isinstance(item, type) and issubclass(item, errors.OsaError)
    ]
    assert len(found) > 5
    assert [name for name in found if f"`{name}`" not in pages] == []


def test_the_rooms_of_the_architecture_are_those_of_the_code() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    section = page.split("## Rooms")[1].split("\n## ")[0]
    named = {name for row in re.findall(r"^\| (`.*?) \|", section, re.M) for name in re.findall(r"`(\w+)`", row)}
    assert named == {folder.parent.name for folder in (ROOT / "osa_luigi").glob("*/__init__.py")}


def test_every_page_is_on_the_map() -> None:
    maps = (ROOT / "docs" / "index.md", ROOT / "README.md")
    listed = {(m.parent / target).resolve() for m in maps for target in re.findall(r"\]\(([^)#\s]+)\)", m.read_text())}
    pages = {page.resolve() for page in (ROOT / "docs").rglob("*.md") if page.parent.name != "decisions"}
    assert pages - listed == {(ROOT / "docs" / "index.md").resolve()}
