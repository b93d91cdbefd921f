"""What a job asks SLURM for, and its calls with as much as it was given."""

from __future__ import annotations

from dataclasses import replace

from osa_luigi.batch.job import Job
from osa_luigi.batch.slurm.policies import Asked
from osa_luigi.steps.call import StepCall

FEW = 3
"""Calls that other jobs should have brought along, for which a job asks for time all the same."""


def asked_by(job: Job) -> Asked:
    """What a job asks SLURM for: the most that one of its calls needs, and the time of all.

    Of what other jobs should have brought along (a run's datachecks of its subruns) few are left to be made, as a rule; where there
    are more, the time does not suffice, and the job is tried again with more, for what is then left.
    """
    calls = (*job.calls, *job.riders)
    left_over = [call for call in calls if call.name in job.after]
    own = [call for call in calls if call.name not in job.after]
    return Asked(
        memory_mb=max(call.needs.memory_mb for call in calls),
        time_limit_s=sum(call.needs.time_limit_s for call in (*own, *left_over[:FEW])),
        cores=max(call.needs.cores for call in calls),
    )


def with_needs_of(job: Job, asked: Asked) -> Job:
    """A job whose calls may use what was asked for, also by the runner's own limits: more than its settings say, if it needed more."""
    own = asked_by(job)
    longer, more = asked.time_limit_s / own.time_limit_s, asked.memory_mb / own.memory_mb
    if longer == more == 1:
        return job
    return replace(
        job,
        calls=tuple(_scaled(call, longer, more) for call in job.calls),
        riders=tuple(_scaled(call, longer, more) for call in job.riders),
    )


def _scaled(call: StepCall, longer: float, more: float) -> StepCall:
    needs = replace(
        call.needs, time_limit_s=call.needs.time_limit_s * longer, memory_mb=round(call.needs.memory_mb * more)
    )
    return replace(call, needs=needs)
