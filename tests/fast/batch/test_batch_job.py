from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from fakes import fake_call, foreign, product
from hypothesis import given, settings
from hypothesis import strategies as st

from osa_luigi.batch.job import Event, Job
from osa_luigi.products.identity import plain
from osa_luigi.steps.call import Needs

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
needs = st.builds(Needs, st.integers(1, 64_000), st.integers(1, 32), st.floats(1, 1e5))
first = fake_call(inputs=(foreign(Path("/r0/raw.fits.fz"), {"size": 8}),))
calls = st.builds(
    lambda settings, needs, fake, inputs: replace(
        fake_call(inputs=inputs), settings=settings, needs=needs, fake=fake, configs={"config": Path("/c.json")}
    ),
    st.dictionaries(st.text(max_size=5), values, max_size=3),
    needs,
    st.none() | st.dictionaries(st.text(max_size=5), values, max_size=2),
    st.sampled_from([(), first.inputs, (product(first, Path("/night/v1")),)]),
)
jobs = st.builds(
    Job,
    name=st.text(max_size=10),
    production=st.just(Path("/night/v1")),
    calls=st.lists(calls, min_size=1, max_size=3).map(tuple),
    riders=st.lists(calls, max_size=2).map(tuple),
    after=st.lists(st.text(max_size=5), max_size=3).map(tuple),
    priority=st.integers(-100, 1000),
)


@given(jobs)
@settings(max_examples=50)
def test_a_job_travels_as_one_line_of_json(job):
    line = json.dumps(job.as_json())
    assert "\n" not in line
    assert Job.from_json(json.loads(line)) == job


@given(st.lists(needs, min_size=1, max_size=4))
def test_a_job_needs_what_its_largest_call_does_and_the_time_of_all(each):
    job = Job("j", Path("/v1"), tuple(replace(first, needs=one) for one in each))
    assert job.needs.memory_mb == max(one.memory_mb for one in each)
    assert job.needs.cores == max(one.cores for one in each)
    assert job.needs.time_limit_s == pytest.approx(sum(one.time_limit_s for one in each))


def test_an_event_travels_as_json():
    event = Event("job", "failed", "dl1ab.Run02008", "what → why", "/log", {"exit_code": 1})
    assert Event(**json.loads(json.dumps(plain(asdict(event))))) == event
