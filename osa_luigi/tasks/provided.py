"""What an analysis provides to a reconstruction: settings of lstchain that it found, as a product with a key and a receipt."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from osa_luigi.config import Analysis, Configuration, FrozenMapping, Provided, load_analysis, procedure_names, thaw
from osa_luigi.config.kinds import ANALYSIS_TYPE
from osa_luigi.errors import NightError, ProductError
from osa_luigi.products.receipt import Presence, Receipt, current_receipt, presence
from osa_luigi.steps.analysis import CAMPAIGN
from osa_luigi.steps.analysis import Analysis as Step
from osa_luigi.steps.closed import is_closed
from osa_luigi.steps.making import NIGHT
from osa_luigi.steps.plan_analysis import analysis_production


def with_provided(configuration: Configuration, day: date) -> Configuration:
    """The configuration with what `dl1ab.calibration` names put over the settings of lstchain.

    Raises
    ------
    NightError
        It was not made yet, for this night or for a campaign.
    ProductError
        It holds settings that lstchain does not have.
    """
    name = configuration.procedure.dl1ab.calibration
    if name is None:
        return configuration
    provided, levels = _find(configuration, name, day)
    dl1ab = configuration.procedure.dl1ab
    config = _over(thaw(dl1ab.config), levels, provided.path, ())
    dl1ab = replace(dl1ab, config=FrozenMapping(config), provided=provided)
    return replace(configuration, procedure=replace(configuration.procedure, dl1ab=dl1ab))


def _find(configuration: Configuration, name: str, day: date) -> tuple[Provided, Mapping[str, Any]]:
    main = configuration.main
    every = (load_analysis(main, one, check_files=False) for one in procedure_names(main, ANALYSIS_TYPE))
    settings = next(one for one in every if one.provides_calibration == name)  # the configuration was checked for that
    production = analysis_production(main, settings, day)
    unit = CAMPAIGN if settings.scope == "campaign" else NIGHT
    receipt = current_receipt(production, Step.name, unit) if is_closed(production) else None
    made = receipt.made("calibration") if receipt and presence(production, receipt) is not Presence.LOST else None
    if receipt is None or made is None:
        raise _not_there(configuration, settings, day, receipt)
    path = production.root / made.path
    return Provided(path, receipt.key), _read(path)


def _not_there(configuration: Configuration, settings: Analysis, day: date, receipt: Receipt | None) -> NightError:
    asked = f"{configuration.procedure.name}: dl1ab.calibration asks for what the analysis {settings.name} provides"
    if receipt is not None:
        return NightError(f"{asked}, and its class declares no calibration: let output() name one")
    nights = "NIGHTS" if settings.scope == "campaign" else day.isoformat()
    return NightError(
        f"{asked}, which is not made{'' if settings.scope == 'campaign' else ' for this night'}. Run it first: "
        f"luigi --module osa_luigi AnalysisTask --name {settings.name} --date {nights}"
    )


def _read(path: Path) -> Mapping[str, Any]:
    try:
        levels = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ProductError(
            f"{path}: cannot be read as JSON ({error}): `osa verify` says whether it is whole"
        ) from error
    if not isinstance(levels, dict):
        raise ProductError(f"{path}: holds no settings, but a {type(levels).__name__}: correct the analysis's class")
    return levels


def _over(config: dict[str, Any], levels: Mapping[str, Any], path: Path, key: tuple[str, ...]) -> dict[str, Any]:
    """Settings put over others, group by group; what is not there cannot be set."""
    for name, value in levels.items():
        if name not in config:
            raise ProductError(
                f"{path}: sets {'.'.join((*key, name))}, which the configuration of lstchain does not have "
                f"({', '.join(config)}): correct the analysis's class"
            )
        both = isinstance(value, Mapping) and isinstance(config[name], dict)
        config[name] = _over(config[name], value, path, (*key, name)) if both else value
    return config
