"""Work-arounds for defects of the shipped tools. Each first probes whether the defect is there, and is a no-op if not.

They change how a tool is called or what it would crash on, never what it calculates. When the probe of one says no for all
supported versions of lstchain, delete it.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any


def run_summary() -> None:
    """lstchain 0.12: dead wait for a database that nobody configured, and a crash under numpy 2."""
    from lstchain.scripts import lstchain_create_run_summary as tool

    _do_not_ask_an_unnamed_server(tool)
    _unsigned_counter_default(tool)


def _do_not_ask_an_unnamed_server(tool: Any) -> None:
    """Answer at once that no database is available, unless one was named on the command line.

    Without ``--tcu-server`` the tool asks for LST-1's own by its name there, and waits 3 s for an answer anywhere else.
    """
    if "--tcu-server" not in sys.argv:
        tool.is_db_available = lambda _server: False


def _unsigned_counter_default(tool: Any) -> None:
    """Write the default of the (unsigned) reference counter as numpy 1 stored it.

    Its default is -1, which numpy 1 wraps into 2**64 - 1 and numpy 2 refuses. numpy is pinned below 2, so that this does
    nothing today; it lets the pin go.
    """
    import numpy as np

    column = "dragon_reference_counter"
    try:
        np.array([tool.COUNTER_DEFAULTS[column]], dtype=tool.dtypes[column])
    except OverflowError:
        tool.COUNTER_DEFAULTS[column] = 2**64 + tool.COUNTER_DEFAULTS[column]


def time_calibration() -> None:
    """lstchain 0.12 with ctapipe 0.25: the extractor drops the gain axis, and numba fails on what is left.

    ``TimeCorrectionCalculate`` passes zeros of shape (gains, pixels) as selected gain to say "both gains"; ctapipe takes
    any selection for one gain per pixel. ``None`` is how ctapipe, and lstchain's own flat-field calculator, say both.
    """
    from lstchain.calib.camera import time_correction_calculate as tool

    if not _drops_gain_axis(tool):
        return
    initialise = tool.TimeCorrectionCalculate.__init__

    def with_both_gains(self: Any, *args: Any, **kwargs: Any) -> None:
        initialise(self, *args, **kwargs)
        self.extractor = _BothGains(self.extractor)

    tool.TimeCorrectionCalculate.__init__ = with_both_gains


class _BothGains:
    """An image extractor that is told to extract both gains, whatever the caller selects."""

    def __init__(self, extractor: Any) -> None:
        self._extractor = extractor

    def __call__(self, waveforms: Any, tel_id: int, _selected_gain_channel: Any, *, broken_pixels: Any) -> Any:
        return self._extractor(waveforms, tel_id, None, broken_pixels=broken_pixels)


def _drops_gain_axis(tool: Any) -> bool:
    """Whether the calculator's extractor loses the gains when asked as the calculator does, tried on an event of zeros."""
    import numpy as np
    from ctapipe_io_lst import LSTEventSource

    calculator = tool.TimeCorrectionCalculate(subarray=LSTEventSource.create_subarray(tel_id=1))
    if isinstance(calculator.extractor, _BothGains):
        return False
    waveforms = np.zeros((tool.n_gain, tool.n_pixels, 36), dtype=np.float32)
    gains = np.zeros(waveforms.shape[:2], dtype=np.int64)
    try:
        extracted = calculator.extractor(waveforms, 1, gains, broken_pixels=gains.astype(bool))
    except Exception:  # numba's TypingError, numpy's IndexError: by the version
        return True
    return bool(extracted.image.shape != waveforms.shape[:2])


def run_datacheck() -> None:
    """lstchain 0.12: no run-wise datacheck file for a run of one subrun.

    ``plot_datacheck`` merges only lists of two or more, and would plot under the subrun's name. Merging a list of one
    does what is wanted.
    """
    from lstchain.datachecks import dl1_checker
    from lstchain.scripts import lstchain_check_dl1 as tool

    plot = tool.plot_datacheck
    if getattr(plot, "mended", False) or _merges_one(dl1_checker):
        return

    def plot_datacheck(files: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(files, list) and len(files) == 1:
            files = dl1_checker.merge_dl1datacheck_files(files)
        return plot(files, *args, **kwargs)

    plot_datacheck.mended = True  # type: ignore[attr-defined]
    tool.plot_datacheck = plot_datacheck


def _merges_one(dl1_checker: Any) -> bool:
    """Whether a list of one is merged, too, found with a merge that only notes it."""
    merged: list[Any] = []
    real, dl1_checker.merge_dl1datacheck_files = dl1_checker.merge_dl1datacheck_files, merged.append
    try:
        dl1_checker.plot_datacheck(["datacheck_dl1_LST-1.Run00001.0000.h5"], create_pdf=False)
    finally:
        dl1_checker.merge_dl1datacheck_files = real
    return bool(merged)


def merge_muons() -> None:
    """lstchain 0.12: the merge of muon rings fails as soon as one subrun has none.

    A table without rows is written with float columns throughout, which astropy refuses to stack with the columns of flags that
    a ring brings. Stacking those that have rows gives what is wanted.
    """
    from lstchain.scripts import lstchain_merge_muon_files as tool

    if not _refuses_empty(tool):
        return
    stack = tool.vstack

    def vstack(tables: Any, *args: Any, **kwargs: Any) -> Any:
        filled = [table for table in tables if len(table)] or list(tables)[:1]
        return stack(filled, *args, **kwargs)

    tool.vstack = vstack


def _refuses_empty(tool: Any) -> bool:
    """Whether a table of flags cannot be stacked with one that has no rows."""
    try:
        tool.vstack([tool.Table({"good_ring": []}), tool.Table({"good_ring": [True]})])
    except Exception:  # astropy's TableMergeError, which is not public
        return True
    return False


def tailcuts() -> None:
    """lstchain 0.12: no cleaning levels for a run of one subrun, or with one that has enough interleaved events.

    A subrun is left out unless its distance from the median of all is below five median absolute deviations. Of a single one both
    are 0, and 0/0 is below nothing. With any other deviation of a single value its distance is 0, as it should be.
    """
    from lstchain.image import cleaning as tool

    if _keeps_one(tool):
        return
    deviation = tool.median_abs_deviation

    def median_abs_deviation(values: Any, *args: Any, **kwargs: Any) -> Any:
        return 1.0 if len(values) == 1 else deviation(values, *args, **kwargs)

    tool.median_abs_deviation = median_abs_deviation


def _keeps_one(tool: Any) -> bool:
    """Whether cleaning levels are found in a single subrun, tried on one with a hundred pedestal events and charges made up."""
    import numpy as np

    events, pixels = 100, 1855
    content = {
        tool.dl1_params_lstcam_key: {
            "event_type": SimpleNamespace(data=np.full(events, tool.EventType.SKY_PEDESTAL.value))
        },
        tool.dl1_images_lstcam_key: {"image": np.tile(np.linspace(3.0, 4.0, pixels), (events, 1))},
        tool.dl1_params_tel_mon_cal_key: {"unusable_pixels": np.zeros((1, 2, pixels), dtype=bool)},
    }
    with _replaced(tool, read_table=lambda _, key: content[key], glob=SimpleNamespace(glob=lambda _: ["subrun"])):
        levels = tool.find_tailcuts(Path(), 1)[-1]
    return levels is not None


@contextmanager
def _replaced(tool: Any, **names: Any) -> Iterator[None]:
    """Other things by these names in a module, which keeps silent meanwhile."""
    before = {name: getattr(tool, name) for name in names}
    vars(tool).update(names)
    logging.disable()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
        vars(tool).update(before)
