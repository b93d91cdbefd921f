"""SLURM's answers are read whole or not at all: any text gives sightings or `SlurmAway`, and half an answer never a wrong sighting."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slurm_says import print_accounting, print_queue, queue_record, record

from osa_luigi.batch.slurm.answers import MARK, read_accounting, read_job_id, read_limits, read_queue, unclear_arrays
from osa_luigi.batch.slurm.indices import expand_indices, write_indices
from osa_luigi.batch.slurm.seen import NO_INDEX, Sighting
from osa_luigi.errors import SlurmAway

NOTHING = {"", "None", "N/A", "(null)", "Unknown", "None assigned"}
CONFIG = """Configuration data as of 2024-11-16T08:00:00
AccountingStorageType   = accounting_storage/slurmdbd
MaxArraySize            = 1001
MaxJobCount             = 10000
MinJobAge               = 300 sec
PrivateData             = none
SLURM_VERSION           = 22.05.8
"""

names = st.text(st.characters(exclude_characters=MARK, exclude_categories=["Cs"]))
words = st.text(st.characters(exclude_characters=f"{MARK}\n", exclude_categories=["Cs"])).map(
    lambda text: "" if text in NOTHING else text
)
codes = st.one_of(st.tuples(st.integers(0, 255), st.just(0)), st.tuples(st.just(0), st.integers(1, 127)))


@st.composite
def sightings(
    draw: st.DrawFn,
    *,
    by: st.SearchStrategy[str] = st.just(""),  # noqa: B008
    submitted: st.SearchStrategy[datetime | None] = st.none(),  # noqa: B008
) -> Sighting:
    code, signal = draw(codes)
    return Sighting(
        name=draw(names),
        job=draw(st.integers(1, 10**8)),
        index=draw(st.integers(0, 4_000_000)),
        state=draw(st.sampled_from(["PENDING", "RUNNING", "COMPLETED", "FAILED", "NODE_FAIL", "CANCELLED"])),
        reason=draw(words),
        exit_code=code,
        signal=signal,
        by=draw(by),
        node=draw(words),
        submitted=draw(submitted),
    )


moments = st.none() | st.integers(0, 2**33).map(lambda second: datetime.fromtimestamp(second, UTC))
several = st.lists(sightings(), max_size=5, unique_by=lambda s: (s.job, s.index))
cancelled = st.lists(
    sightings(by=st.sampled_from(["", "0", "1000", "lstanalyzer"]), submitted=moments),
    max_size=5,
    unique_by=lambda s: (s.name, s.job, s.index),
)


@given(several)
def test_the_queue_reads_as_it_was_printed(seen: list[Sighting]) -> None:
    assert read_queue(print_queue(seen)) == seen


@given(sightings(), st.sets(st.integers(0, 5000), min_size=1), st.sampled_from(["", "%2"]))
def test_elements_that_wait_alike_stand_in_one_line(seen: Sighting, indices: set[int], throttle: str) -> None:
    line = queue_record(seen, f"{write_indices(indices)}{throttle}")
    assert read_queue(line) == [replace(seen, index=index) for index in sorted(indices)]


@given(sightings(), st.integers(0, 9))
def test_in_the_queue_too_the_word_of_an_element_alone_counts(seen: Sighting, index: int) -> None:
    started = replace(seen, index=index, state="RUNNING", node="node1")
    for text in (queue_record(seen, "0-9") + queue_record(started), queue_record(started) + queue_record(seen, "0-9")):
        read = {sighting.index: sighting for sighting in read_queue(text)}
        assert read == {**{i: replace(seen, index=i) for i in range(10)}, index: started}


@given(cancelled)
def test_the_accounting_reads_as_it_was_printed(seen: list[Sighting]) -> None:
    assert read_accounting(print_accounting(seen)) == seen


@pytest.mark.parametrize(("printer", "reader"), [(print_queue, read_queue), (print_accounting, read_accounting)])
@given(seen=several, data=st.data())
def test_half_an_answer_is_none(
    printer: Callable[[Iterable[Sighting]], str],
    reader: Callable[[str], list[Sighting]],
    seen: list[Sighting],
    data: st.DataObject,
) -> None:
    whole = printer(seen).encode()
    cut = data.draw(st.integers(0, len(whole)))
    try:
        read = reader(whole[:cut].decode(errors="replace"))
    except SlurmAway:
        return
    assert read == seen[: len(read)]
    assert whole[:cut] == printer(read).encode(), "something was left out silently"


@pytest.mark.parametrize("reader", [read_queue, read_accounting, read_job_id, read_limits])
@given(
    text=st.one_of(
        st.text(),
        st.text(st.sampled_from(f"{MARK}\n0123456789_[]:-,%NA/PEDING by")),
        st.lists(st.lists(st.text(max_size=12), min_size=7, max_size=8).map(lambda fields: record(*fields))).map(
            "".join
        ),
    )
)
def test_any_text_is_read_or_refused(reader: Callable[[str], object], text: str) -> None:
    try:
        reader(text)
    except SlurmAway as error:
        assert "answer" in str(error)  # noqa: PT017


@given(st.sets(st.integers(0, 5000)))
def test_indices_expand_to_what_was_written(indices: set[int]) -> None:
    written = write_indices(indices)
    assert (expand_indices(written) if indices else []) == sorted(indices)
    assert bool(written) == bool(indices)


@pytest.mark.parametrize(
    ("text", "indices"),
    [("3-9%2", [3, 4, 5, 6, 7, 8, 9]), ("1-3,7,20-30:5%2", [1, 2, 3, 7, 20, 25, 30]), ("0", [0]), ("0-6:3", [0, 3, 6])],
)
def test_ranges_of_elements(text: str, indices: list[int]) -> None:
    assert expand_indices(text) == indices


@pytest.mark.parametrize("text", ["", "1,4,...", "5-3", "1-2-3", "0-99999999", "a", "1,,2", "٣", "1-9:0"])
def test_what_is_no_range(text: str) -> None:
    with pytest.raises(ValueError, match="elements"):
        expand_indices(text)


def row(ident: str, state: str, second: int = 100) -> str:
    return record(ident, state, "0:0", "None", "None assigned", second, "short", "osa")


def test_a_pending_range_is_all_its_elements() -> None:
    seen = read_accounting(row("12_[3-9%2]", "PENDING"))
    assert [(s.job, s.index, s.state) for s in seen] == [(12, index, "PENDING") for index in range(3, 10)]
    with pytest.raises(SlurmAway, match=r"\.\.\."):
        read_accounting(row("12_[1,4,9,...]", "PENDING"))


def test_of_a_requeued_job_the_latest_attempt_counts() -> None:
    [seen] = read_accounting(row("13_1", "NODE_FAIL", 100) + row("13_1", "RUNNING", 130) + row("13_1", "REQUEUED", 100))
    assert seen.state == "RUNNING"
    [seen] = read_accounting(row("13_1", "REQUEUED") + row("13_1", "COMPLETED"))
    assert seen.state == "COMPLETED"
    [seen] = read_accounting(row("13_1", "FAILED") + row("13_[1-1]", "PENDING"))
    assert seen.state == "FAILED", "a range's row is older than that of an element alone"


def test_an_id_used_again_hides_nothing() -> None:
    other = record("13_1", "RUNNING", "0:0", "None", "node1", 500, "short", "somebody's")
    assert {(s.name, s.state) for s in read_accounting(row("13_1", "FAILED") + other)} == {
        ("osa", "FAILED"),
        ("somebody's", "RUNNING"),
    }


def test_half_a_record_is_none() -> None:
    """It has the array's id, and no index: the element would be taken for the first."""
    early = record(13, "FAILED", "5:0", "None", "node1", 100, "", "allocation")
    assert read_accounting(early) == []
    [seen] = read_accounting(early + row("13_4", "FAILED"))
    assert (seen.index, seen.name) == (4, "osa")


def test_words_of_slurm() -> None:
    [seen] = read_queue(record(5, "N/A", "CANCELLED", "None", 15, "node1", "a|b\nc"))
    assert seen == Sighting("a|b\nc", 5, NO_INDEX, "CANCELLED", "", 0, 15, "", "node1", None)
    [seen] = read_accounting(row("5", "CANCELLED by 1000"))
    assert (seen.state, seen.by, seen.submitted) == ("CANCELLED", "1000", datetime.fromtimestamp(100, UTC))
    [launched] = read_queue(record(4, "N/A", "FAILED", "JobLaunchFailure", 4021, "", "bad"))
    assert (launched.exit_code, launched.signal, launched.submitted) == (0, 53, None)
    [unended] = read_queue(record(4, "3", "RUNNING", "None", 4294967294, "node1", "x"))
    assert (unended.exit_code, unended.signal) == (0, 0)


def test_what_is_left_of_an_array_is_not_its_first_element() -> None:
    """Element 0 runs; the others were cancelled before they had a record of their own."""
    rest = record(5, "N/A", "CANCELLED", "None", 0, "", "osa")
    first = record(5, 0, "RUNNING", "None", 4294967294, "node1", "osa")
    for text in (rest + first, first + rest):
        assert [seen.state for seen in read_queue(text) if seen.index == 0] == ["RUNNING"]


@pytest.mark.parametrize(
    ("state", "reason", "arrays"),
    [
        ("PENDING", "Resources", []),
        ("PENDING", "Resources,JobHeldAdmin", [5]),
        ("PENDING", "ReqNodeNotAvail, UnavailableNodes:node1,JobHeldUser", [5]),
        ("PENDING", "ReqNodeNotAvail, UnavailableNodes:node[1,3-4]", []),
        ("PENDING", "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions", []),
        ("CANCELLED", "Resources,JobHeldAdmin", []),
    ],
)
def test_of_which_arrays_squeue_does_not_say_what_each_element_waits_for(
    state: str, reason: str, arrays: list[int]
) -> None:
    assert unclear_arrays(record(5, "1-40:3%3", state, reason, 0, "", "osa")) == arrays
    assert unclear_arrays(record(5, 1, state, reason, 0, "", "osa")) == []


@pytest.mark.parametrize(("text", "job"), [("17\n", 17), ("17;cluster\n", 17)])
def test_job_ids(text: str, job: int) -> None:
    assert read_job_id(text) == job


@pytest.mark.parametrize("text", ["", "17", "1;clus", "Submitted batch job 17\n", "0\n", "-3\n", "17\n18\n"])
def test_what_is_no_job_id(text: str) -> None:
    with pytest.raises(SlurmAway, match="sbatch"):
        read_job_id(text)


def test_limits() -> None:
    limits = read_limits(CONFIG)
    assert (limits.max_array_size, limits.max_jobs, limits.min_job_age_s) == (1001, 10000, 300.0)
    assert limits.accounting
    assert limits.version == "22.05.8"
    assert not read_limits(CONFIG.replace("accounting_storage/slurmdbd", "(null)")).accounting


@pytest.mark.parametrize(
    ("shown", "private"),
    [("none", False), ("accounts,usage", False), ("cloud,jobs", True), ("jobs", True), ("all", True)],
)
def test_whether_jobs_are_shown_to_their_owner_alone(shown: str, private: bool) -> None:
    assert read_limits(CONFIG.replace("= none", f"= {shown}")).private_jobs is private


@given(st.integers(0, len(CONFIG) - 1))
def test_a_configuration_cut_short_is_none(cut: int) -> None:
    with pytest.raises(SlurmAway):
        read_limits(CONFIG[:cut])
