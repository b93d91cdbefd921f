"""Where products go in the site's tree: the section ``publication`` of the main file."""

from __future__ import annotations

from osa_luigi.config.rules import OPERATIONAL, Schema, leaf, names, section

OF_A_NIGHT = ("date", "production")
TEMPLATES: dict[str, tuple[str | None, str, tuple[str, ...]]] = {
    "dl1": ("DL1/{date}/{production}/{tailcut}/{name}", "DL1b, of subruns and merged", ("tailcut",)),
    "datacheck": ("DL1/{date}/{production}/{tailcut}/datacheck/{name}", "datacheck and its plots", ("tailcut",)),
    "muons": ("DL1/{date}/{production}/muons/{name}", "muon rings, of subruns and merged", ()),
    "interleaved": ("DL1/{date}/{production}/interleaved/{name}", "interleaved events", ()),
    "dl2": ("DL2/{date}/{production}/{tailcut}/{nsb}/{name}", "DL2", ("tailcut", "nsb")),
    "longterm": ("DL1/datacheck_files/night_wise/{production}/{date}/{name}", "the night's check", ()),
    "drs4_baseline": (
        "monitoring/PixelCalibration/Cat-A/drs4_baseline/{date}/{production}/{name}",
        "the DRS4 baseline",
        (),
    ),
    "charge_calibration": (
        "monitoring/PixelCalibration/Cat-A/calibration/{date}/{production}/{name}",
        "the charge calibration",
        (),
    ),
    "time_calibration": (
        None,
        "a time calibration that was made here; in the site's own folder other nights would use it",
        (),
    ),
    "cat_b": ("monitoring/PixelCalibration/Cat-B/calibration/{date}/{production}/{name}", "Cat-B calibrations", ()),
    "tailcuts": ("auxiliary/TailCuts/{date}/{production}/{name}", "cleaning levels found per run", ()),
    "marker": ("OSA/Closer/{date}/{production}/{name}", "`NightFinished.txt`, the last of all", ()),
}
"""Kind of product → default template, what it is, and which placeholders it knows besides date, production and name."""

LINKS: dict[str, tuple[str | None, str]] = {
    "datacheck": ("DL1/datacheck_files/{date}/{name}", "datacheck files and plots"),
    "muons": ("DL1/datacheck_files/{date}/muons/{name}", "muon files"),
    "longterm": ("DL1/datacheck_files/night_wise/{name}", "the files of the night's check"),
}
"""Kind of product → default template of the symbolic links to it, which all productions of a night share; what it is."""

PRO = [
    "monitoring/PixelCalibration/Cat-A/drs4_baseline/{date}/{production}",
    "monitoring/PixelCalibration/Cat-A/calibration/{date}/{production}",
    "monitoring/PixelCalibration/Cat-B/calibration/{date}/{production}",
]

PUBLICATION: Schema = section(
    "Publication of closed nights in the site's tree.",
    {
        "enabled": leaf(
            OPERATIONAL, "boolean", False, "Publish a night when it is closed (`osa publish` does so by hand)."
        ),
        "root": leaf(OPERATIONAL, "string", ".", "Root of the published tree.", minlength=1, path="site.base"),
        "templates": section(
            "Where products go below the root, with `{date}`, `{production}`, `{name}`, and `{tailcut}`, `{nsb}` where there are such.",
            {
                kind: leaf(
                    OPERATIONAL,
                    "string",
                    default,
                    f"Place of {what} (null: not published).",
                    minlength=1,
                    nullable=True,
                )
                for kind, (default, what, _) in TEMPLATES.items()
            },
        ),
        "links": section(
            "Symbolic links to published files, shared by all productions: who comes first has them, or who asks for it (`--pro`).",
            {
                kind: leaf(
                    OPERATIONAL,
                    "string",
                    default,
                    f"Place of links to {what} (null: none).",
                    minlength=1,
                    nullable=True,
                )
                for kind, (default, what) in LINKS.items()
            },
        ),
        "pro": names(
            OPERATIONAL,
            PRO,
            "Published folders beside which a link `pro` leads to the production that came first, or asked for it (`--pro`).",
        ),
    },
)
