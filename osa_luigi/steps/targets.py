"""Where the products of a night go in the site's tree: kinds of product, and the templates of the configuration filled in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from osa_luigi.products.identity import plain
from osa_luigi.products.names import TAILCUT_PER_RUN, nsb_id, tailcut_id
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import Made, Receipt

if TYPE_CHECKING:  # a job needs nothing of what reads the configuration
    from osa_luigi.config import Publication

KINDS: Mapping[str, Mapping[str, str]] = {
    "dl1ab": {"dl1": "dl1"},
    "merge_dl1": {"dl1": "dl1"},
    "r0_to_dl1": {"muons": "muons", "interleaved": "interleaved"},
    "merge_muons": {"muons": "muons"},
    "datacheck": {"datacheck": "datacheck"},
    "run_datacheck": {"datacheck": "datacheck"},
    "run_plots": {"plots": "datacheck"},
    "dl2": {"dl2": "dl2"},
    "longterm": {"h5": "longterm", "html": "longterm", "log": "longterm"},
    "transparency": {"h5": "longterm"},
    "drs4_baseline": {"pedestal": "drs4_baseline"},
    "charge_calibration": {"calibration": "charge_calibration"},
    "time_calibration": {"time_calibration": "time_calibration"},
    "cat_b": {"cat_b": "cat_b"},
    "tailcuts": {"tailcuts": "tailcuts"},
    "close": {"marker": "marker"},
}
"""Step → role → kind of product; what is not named here is not published."""


@dataclass(frozen=True, slots=True)
class Target:
    """A product, and where it goes.

    Parameters
    ----------
    place
        Of the published file, absolute.
    link
        Of a symbolic link to it; `None` for none.
    elsewhere
        Glob pattern of the places that it has under any cleaning levels and models.
    """

    receipt: Receipt
    made: Made
    place: Path
    link: Path | None
    elsewhere: str


@dataclass(frozen=True, slots=True)
class Layout:
    """The site's tree for one production.

    Parameters
    ----------
    root
        Of the tree, absolute.
    templates, links
        Kind of product → template, or `None`.
    pro
        Templates of folders beside which a link ``pro`` stands.
    """

    production: Production
    root: Path
    templates: Mapping[str, str | None]
    links: Mapping[str, str | None]
    pro: tuple[str, ...]

    @classmethod
    def of(cls, production: Production, table: Mapping[str, Any]) -> Layout:
        """From the table that `table_of` wrote."""
        return cls(production, Path(table["root"]), table["templates"], table["links"], tuple(table["pro"]))

    def targets(self, receipt: Receipt, cleaning: Receipt | None = None) -> Iterator[Target]:
        """Where the outputs of a receipt go.

        Parameters
        ----------
        cleaning
            What tells of the cleaning levels that were found for its run.
        """
        found = _levels(cleaning) if cleaning else ""
        for made in receipt.outputs:
            kind = KINDS.get(receipt.step, {}).get(made.role, "")
            chosen = receipt.counts.get("chosen", {}).get("models", "")
            if (template := self.templates.get(kind)) is None:
                continue
            tailcut, nsb = self._folders(made.path, chosen, found)
            place = self._filled(template, made.path.name, tailcut, nsb)
            link = self.links.get(kind)
            yield Target(
                receipt,
                made,
                self.root / place,
                None if link is None else self.root / self._filled(link, made.path.name, tailcut, nsb),
                f"{escape(str(self.root))}/{self._filled(template, escape(made.path.name), '*', '*')}",
            )

    def pro_folders(self) -> Iterator[Path]:
        """Folders of this production beside which a link ``pro`` stands."""
        for template in self.pro:
            yield self.root / template.format(**self._night)

    def _folders(self, path: Path, models: str, levels: str) -> tuple[str, str]:
        """Of cleaning and of noise, as the product's path has them, or what was found for its run."""
        tailcut, nsb = (*path.parts[:-1], "", "")[:2]
        return levels if levels and tailcut == TAILCUT_PER_RUN else tailcut, nsb_id(Path(models)) if models else nsb

    def _filled(self, template: str, name: str, tailcut: str, nsb: str) -> str:
        return template.format(**self._night, tailcut=tailcut, nsb=nsb, name=name)

    @property
    def _night(self) -> dict[str, str]:
        return {"date": self.production.root.parent.name, "production": self.production.id}


def _levels(cleaning: Receipt) -> str:
    """The folder of the levels that were found; empty where the receipt does not say them."""
    picture, boundary = (cleaning.counts.get(name) for name in ("picture_thresh", "boundary_thresh"))
    return "" if picture is None or boundary is None else tailcut_id(picture, boundary)


def table_of(publication: Publication) -> dict[str, Any]:
    """The configuration of a publication as plain data, for a job to read."""
    templates, links = plain(publication.templates), plain(publication.links)
    return {"root": str(publication.root), "templates": templates, "links": links, "pro": list(publication.pro)}
