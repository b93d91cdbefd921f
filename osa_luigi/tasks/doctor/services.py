"""Services: luigid, and the ledger's database. A night needs neither to be made: both are warnings."""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Iterator
from urllib.error import URLError

from osa_luigi.config import Configuration
from osa_luigi.errors import LedgerError
from osa_luigi.tasks.doctor.finding import Finding, bad, ok, warn

ANSWER_S = 5.0


def luigid() -> Iterator[Finding]:
    """Whether luigi's scheduler answers where luigi would look for it."""
    yield asked(scheduler_url())


def asked(url: str) -> Finding:
    """What a luigid answers."""
    next_ = (
        "Start luigid, or correct default-scheduler-host and -port in luigi.cfg; or run nights with --local-scheduler."
    )
    try:
        with urllib.request.urlopen(f"{url}/api/is_paused", timeout=ANSWER_S) as answer:
            said = json.load(answer)
    except (URLError, OSError, ValueError) as error:
        return warn(f"no luigid at {url} ({getattr(error, 'reason', error)})", next_)
    paused = said.get("response", {}).get("paused") if isinstance(said, dict) else None
    if paused is None:
        return warn(f"what answers at {url} is no luigid", next_)
    if paused:
        return bad(f"luigid at {url} is paused: it hands out nothing", "Resume it on its web page.")
    return ok(f"luigid answers at {url}")


def scheduler_url() -> str:
    """As luigi's own command finds it."""
    from luigi.interface import core

    settings = core()
    given: str = settings.scheduler_url
    return (given or f"http://{settings.scheduler_host}:{settings.scheduler_port}").rstrip("/")


def ledger(configuration: Configuration) -> Iterator[Finding]:
    """Whether the ledger's database can be read, and its tables are of this version."""
    from osa_luigi.ledger.database import address, place_warning, shown
    from osa_luigi.ledger.history import contents
    from osa_luigi.ledger.schema import TROUBLE, Version

    main = configuration.main
    try:
        url = address(main)
        if main.ledger.url is None and not os.path.exists(str(url.database)):  # noqa: PTH110
            yield ok(f"no ledger yet: `osa ledger update` makes {shown(url)}")
            return
        if warning := place_warning(url):
            yield warn(warning, "Set ledger.url.")
        found = contents(main)
    except LedgerError as error:
        yield warn(f"ledger: {error}", "No night is concerned.")
        return
    good = found.version is Version.CURRENT
    yield (
        ok(f"ledger: {shown(url)}") if good else warn(f"ledger: {shown(url)}: {TROUBLE[found.version]}", "As it says.")
    )
