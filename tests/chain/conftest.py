"""One tiny night through the real chain, made once and kept between runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.drills.nights import DAY, Site, copy_inputs, link_or_copy, tiny_night

ID = "tiny"
CONFLICT = "made with other scientific settings"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here is of the chain."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.chain)


@pytest.fixture(scope="session")
def night() -> Site:
    """The tiny night, processed by luigi's own command; what an earlier session made counts by its step keys."""
    site = tiny_night()
    done = site.run_night()
    if CONFLICT in done.stdout:  # the code or the procedure changed since
        shutil.rmtree(site.production(ID).root)
        done = site.run_night()
    assert done.returncode == 0, done.stdout
    return site


@pytest.fixture
def elsewhere(night: Site, tmp_path: Path) -> Site:
    """The same night at a site of its own, unprocessed; the products lie in a production ``donor``, to be linked by their keys.

    Raw files and products are hard links: replace them, never write into them.
    """
    site = copy_inputs(night, tmp_path / "site")
    shutil.copytree(night.production(ID).root, site.production("donor").root, copy_function=link_or_copy)
    return site


@pytest.fixture
def configured(elsewhere: Site, tmp_path: Path) -> Configured:
    """Makes sites that differ from `elsewhere` in their configuration only."""
    return Configured(elsewhere, tmp_path / "config")


class Configured:
    """Configurations that differ from the tiny night's in some text."""

    def __init__(self, site: Site, folder: Path) -> None:
        self._site = site
        self._folder = folder

    def __call__(self, *changes: tuple[str, str]) -> Site:
        """The site with these texts replaced in its main configuration or its procedure."""
        source = self._site.config.parent
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir()
        texts = {name: (source / name).read_text() for name in ("site.yaml", "tiny.yaml")}
        texts["site.yaml"] = texts["site.yaml"].replace("../../../", f"{source.parents[2]}/")
        for old, new in changes:
            holder = next(name for name, text in texts.items() if old in text)
            texts[holder] = texts[holder].replace(old, new, 1)
        for name, text in texts.items():
            (self._folder / name).write_text(text)
        return Site(self._site.base, self._folder / "site.yaml")


__all__ = ["DAY", "ID", "Configured"]
