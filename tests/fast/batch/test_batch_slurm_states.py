"""Every state of SLURM's is a decision."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from slurm_work import Driver, seen, wish

from osa_luigi.batch.slurm import exchange as ex
from osa_luigi.batch.slurm import model as m
from osa_luigi.batch.slurm.policies import ADVICE, RETRIES
from osa_luigi.batch.slurm.states import (
    CLOSED,
    STATES,
    STUCK,
    UNSTARTED,
    Cause,
    Standing,
    closed,
    meaning,
    passes,
    patient,
    stuck,
)

DOCUMENTED = [
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "COMPLETING",
    "CONFIGURING",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PENDING",
    "PREEMPTED",
    "RECONFIG_FAIL",
    "REQUEUED",
    "REQUEUE_FED",
    "REQUEUE_HOLD",
    "RESIZING",
    "RESV_DEL_HOLD",
    "REVOKED",
    "RUNNING",
    "SIGNALING",
    "SPECIAL_EXIT",
    "STAGE_OUT",
    "STOPPED",
    "SUSPENDED",
    "TIMEOUT",
    "LAUNCH_FAILED",
    "POWER_UP_NODE",
    "UPDATE_DB",
]
"""The job states in the manual of squeue, 22.05 to 24.11."""

LIVING = [state for state, what in STATES.items() if not what.standing.ended]
BAD = [state for state, what in STATES.items() if what.standing is Standing.BAD]

REFUSAL = "sbatch: error: Batch job submission failed: {}"

ANY_LIMIT = (
    "Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)"
)


OVER_FOR_ONE_JOB = """
    QOSMaxBBMinutesPerJob QOSMaxBBPerJob QOSMaxBBPerNode QOSMaxBillingMinutesPerJob QOSMaxBillingPerJob
    QOSMaxBillingPerNode QOSMaxCpuMinutesPerJobLimit QOSMaxCpuPerJobLimit QOSMaxCpuPerNode
    QOSMaxEnergyMinutesPerJob QOSMaxEnergyPerJob QOSMaxEnergyPerNode QOSMaxGRESMinutesPerJob QOSMaxGRESPerJob
    QOSMaxGRESPerNode QOSMaxLicenseMinutesPerJob QOSMaxLicensePerJob QOSMaxMemoryMinutesPerJob QOSMaxMemoryPerJob
    QOSMaxMemoryPerNode QOSMaxNodeMinutesPerJob QOSMaxNodePerJobLimit QOSMaxUnknownMinutesPerJob
    QOSMaxUnknownPerJob QOSMaxUnknownPerNode QOSMaxWallDurationPerJobLimit
    AssocMaxBBMinutesPerJob AssocMaxBBPerJob AssocMaxBBPerNode AssocMaxBillingMinutesPerJob AssocMaxBillingPerJob
    AssocMaxBillingPerNode AssocMaxCpuMinutesPerJobLimit AssocMaxCpuPerJobLimit AssocMaxCpuPerNode
    AssocMaxEnergyMinutesPerJob AssocMaxEnergyPerJob AssocMaxEnergyPerNode AssocMaxGRESMinutesPerJob
    AssocMaxGRESPerJob AssocMaxGRESPerNode AssocMaxLicenseMinutesPerJob AssocMaxLicensePerJob
    AssocMaxMemMinutesPerJob AssocMaxMemPerJob AssocMaxMemPerNode AssocMaxNodeMinutesPerJob
    AssocMaxNodePerJobLimit AssocMaxUnknownMinutesPerJob AssocMaxUnknownPerJob AssocMaxUnknownPerNode
    AssocMaxWallDurationPerJobLimit MaxMemPerLimit
"""
"""More than one job may have: together with the next three, all limits that the manual and the programs of SLURM 22.05 name."""

TOO_LITTLE = """
    QOSMinBB QOSMinBilling QOSMinCpuNotSatisfied QOSMinEnergy QOSMinGRES QOSMinLicense QOSMinMemory QOSMinNode
    QOSMinUnknown
"""
"""Less than one job must have."""

USED_UP = """
    QOSGrpBBMinutes QOSGrpBillingMinutes QOSGrpCPUMinutesLimit QOSGrpEnergyMinutes QOSGrpGRESMinutes
    QOSGrpLicenseMinutes QOSGrpMemoryMinutes QOSGrpNodeMinutes QOSGrpUnknownMinutes QOSGrpWallLimit QOSTimeLimit
    QOSUsageThreshold
    AssocGrpBBMinutes AssocGrpBillingMinutes AssocGrpCPUMinutesLimit AssocGrpEnergyMinutes AssocGrpGRESMinutes
    AssocGrpLicenseMinutes AssocGrpMemMinutes AssocGrpNodeMinutes AssocGrpUnknownMinutes AssocGrpWallLimit
    AssociationTimeLimit
"""
"""No more is left of what was granted."""

AT_A_TIME = """
    QOSGrpBB QOSGrpBBRunMinutes QOSGrpBilling QOSGrpBillingRunMinutes QOSGrpCPURunMinutesLimit QOSGrpCpuLimit
    QOSGrpEnergy QOSGrpEnergyRunMinutes QOSGrpGRES QOSGrpGRESRunMinutes QOSGrpJobsLimit QOSGrpLicense
    QOSGrpLicenseRunMinutes QOSGrpMemLimit QOSGrpMemoryRunMinutes QOSGrpNodeLimit QOSGrpNodeRunMinutes
    QOSGrpSubmitJobsLimit QOSGrpUnknown QOSGrpUnknownRunMinutes QOSJobLimit QOSMaxBBPerUser QOSMaxBillingPerUser
    QOSMaxCpuPerUserLimit QOSMaxEnergyPerUser QOSMaxGRESPerUser QOSMaxJobsPerUserLimit QOSMaxLicensePerUser
    QOSMaxMemoryPerUser QOSMaxNodePerUserLimit QOSMaxSubmitJobPerUserLimit QOSMaxUnknownPerUser QOSResourceLimit
    AssocGrpBB AssocGrpBBRunMinutes AssocGrpBilling AssocGrpBillingRunMinutes AssocGrpCPURunMinutesLimit
    AssocGrpCpuLimit AssocGrpEnergy AssocGrpEnergyRunMinutes AssocGrpGRES AssocGrpGRESRunMinutes AssocGrpJobsLimit
    AssocGrpLicense AssocGrpLicenseRunMinutes AssocGrpMemLimit AssocGrpMemRunMinutes AssocGrpNodeLimit
    AssocGrpNodeRunMinutes AssocGrpSubmitJobsLimit AssocGrpUnknown AssocGrpUnknownRunMinutes AssocMaxJobsLimit
    AssocMaxSubmitJobLimit AssociationJobLimit AssociationResourceLimit
    MaxBBPerAccount MaxBillingPerAccount MaxCpuPerAccount MaxEnergyPerAccount MaxGRESPerAccount MaxJobsPerAccount
    MaxLicensePerAccount MaxMemoryPerAccount MaxNodePerAccount MaxSubmitJobsPerAccount MaxUnknownPerAccount
    MaxCpuRunMinsPerAccount MaxGRESRunMinsPerUser
"""
"""As many as may at a time; the last two are of later versions."""


def test_every_documented_state_has_a_meaning() -> None:
    assert set(DOCUMENTED) == STATES.keys()


def test_every_bad_end_has_a_cause_and_every_cause_a_rule_and_advice() -> None:
    assert all(what.cause for what in STATES.values() if what.standing is Standing.BAD)
    assert set(Cause) == RETRIES.keys() == ADVICE.keys()


@pytest.mark.parametrize("state", [*LIVING, "A_STATE_OF_TOMORROW"])
def test_nothing_is_decided_while_it_waits_or_lives(state: str) -> None:
    engine = Driver().running(wish(0))
    engine.later(10_000).queue(seen(state))
    engine.later(10_000).queue(seen(state))
    assert engine.job().phase is m.Phase.PLACED
    assert not engine.told("done")
    assert not engine.told("given up")
    assert not engine.asked_for(ex.Check)


@pytest.mark.parametrize("state", BAD)
def test_a_bad_end_without_a_word_is_a_failure_of_its_cause_if_the_products_are_not_there(state: str) -> None:
    engine = Driver().running(wish(0))
    engine.later(20).queue(seen(state))
    engine.later(20).queue(seen(state))
    engine.later(100).queue(seen(state))
    assert engine.asked_for(ex.Check) == [ex.Check(("dl1.2001.0",))]
    engine.hear(ex.Checked(engine.now, {"dl1.2001.0": False}))
    [failure] = engine.job().failures
    assert failure.cause is meaning(state).cause
    assert state in failure.text
    tried_again = RETRIES[failure.cause] > 0
    assert engine.job().phase is (m.Phase.READY if tried_again else m.Phase.GIVEN_UP)


@pytest.mark.parametrize("state", [*BAD, "COMPLETED"])
def test_whatever_slurm_says_a_record_of_success_counts(state: str) -> None:
    engine = Driver().running(wish(0))
    engine.later(20).queue(seen(state), notes=(engine.note(),))
    assert engine.told("done") == ["dl1.2001.0"]
    assert engine.job().phase is m.Phase.DONE


@pytest.mark.parametrize("state", ["NODE_FAIL", "PREEMPTED"])
def test_what_slurm_may_requeue_is_left_to_it_for_a_while(state: str) -> None:
    engine = Driver().running(wish(0))
    engine.later(5).queue(seen(state))
    engine.later(5).queue(seen("PENDING"))
    engine.later(500).queue(seen("RUNNING"))
    assert engine.job().phase is m.Phase.PLACED
    assert not engine.job().failures


@pytest.mark.parametrize("reason", sorted(set(STUCK) - {UNSTARTED}))
def test_an_element_that_will_not_start_is_named_once_with_the_next_action(reason: str) -> None:
    engine = Driver().running(wish(0))
    for _ in range(3):
        engine.later(30).queue(seen("PENDING", reason=reason))
    [said] = engine.asked_for(ex.Say)
    assert reason in said.text
    assert "7_0" in said.text
    assert "{" not in said.text
    assert engine.job().phase is m.Phase.PLACED


@pytest.mark.parametrize("reason", ["Priority", "Resources", "BeginTime", "JobArrayTaskLimit", ""])
def test_an_element_that_waits_its_turn_is_no_news(reason: str) -> None:
    assert not stuck("PENDING", reason)


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        *((reason, r"asks for more .*: (lower resources|see executor)") for reason in OVER_FOR_ONE_JOB.split()),
        *((reason, r"asks for (less|fewer) .* choose another executor\.slurm\.qos") for reason in TOO_LITTLE.split()),
        *((reason, r"used .* choose another executor\.slurm\.(qos|account), or ask") for reason in USED_UP.split()),
    ],
)
def test_a_limit_that_does_not_pass_needs_a_person(reason: str, words: str) -> None:
    assert re.search(words, stuck("PENDING", reason))
    assert re.search(words, stuck("PENDING", f"({reason})"))
    assert not patient(reason)


@pytest.mark.parametrize("reason", AT_A_TIME.split())
def test_a_limit_on_what_runs_at_a_time_needs_nobody(reason: str) -> None:
    assert patient(reason)
    assert not stuck("PENDING", reason)


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("QOSMaxMemoryPerJob", r"resources\.\*\.memory_mb$"),
        ("AssocMaxMemPerNode", r"resources\.\*\.memory_mb$"),
        ("AssocMaxWallDurationPerJobLimit", r"resources\.\*\.time_limit_minutes$"),
        ("QOSMaxCpuPerNode", r"resources\.\*\.cores$"),
        ("QOSMaxCpuMinutesPerJobLimit", r"resources\.\*\.time_limit_minutes, cores or memory_mb$"),
        ("AssocMaxNodePerJobLimit", r"executor\.slurm\.extra"),
        ("QOSMinMemory", r"raise resources\.\*\.memory_mb"),
        ("QOSGrpCPUMinutesLimit", r"another executor\.slurm\.qos"),
        ("AssocGrpBillingMinutes", r"another executor\.slurm\.account"),
    ],
)
def test_the_advice_names_the_setting_that_helps(reason: str, words: str) -> None:
    assert re.search(words, stuck("PENDING", reason))


@pytest.mark.parametrize(
    "reason",
    [
        "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions",
        "ReqNodeNotAvail, Reserved for maintenance",
    ],
)
def test_nodes_that_come_back_are_waited_for(reason: str) -> None:
    assert patient(reason)
    assert not stuck("PENDING", reason)
    assert stuck("PENDING", "ReqNodeNotAvail, UnavailableNodes:node1")


def test_a_launch_failure_is_told_from_a_kill() -> None:
    assert meaning("FAILED", 53).cause is Cause.LAUNCH
    assert meaning("FAILED", 9).cause is Cause.KILLED


def test_a_refusal_for_too_many_jobs_passes() -> None:
    assert passes("sbatch: error: QOSMaxSubmitJobPerUserLimit")
    assert passes(f"sbatch: error: AssocMaxSubmitJobLimit\nsbatch: error: {ANY_LIMIT}")
    assert passes(f"sbatch: error: {ANY_LIMIT}"), "which one is not said"
    assert passes(f"sbatch: error: MaxSubmitJobsPerAccount\nsbatch: error: {ANY_LIMIT}")
    for limit in (
        "QOSMinCpuNotSatisfied",
        "QOSMaxWallDurationPerJobLimit",
        "AssocMaxMemPerJob",
        "QOSGrpMemLimit",
        "MaxCpuPerAccount",
    ):
        assert not passes(f"sbatch: error: {limit}\nsbatch: error: {ANY_LIMIT}")
    assert not passes("sbatch: error: invalid partition specified: shorty")


@pytest.mark.parametrize(
    "words",
    [
        "Required partition not available (inactive or drain)",
        "Required partition not available (inactive or drain operation)",
        "Required node not available (down, drained or reserved)",
        "Requested nodes are busy",
        "Job can not start due to maintenance reservation.",
        "System submissions disabled",
    ],
)
def test_a_refusal_for_how_the_cluster_is_passes_and_has_advice(words: str) -> None:
    assert passes(REFUSAL.format(words))
    assert closed(REFUSAL.format(words)) in CLOSED.values()


@pytest.mark.parametrize(
    "words",
    [
        "Requested node configuration is not available",
        "Requested partition configuration not available now",
        "More processors requested than permitted",
        "Node count specification invalid",
        "Requested time limit is invalid (missing or exceeds some limit)",
        "Invalid account or account/partition combination specified",
        "User's group not permitted to use this partition",
        "Access denied to requested reservation",
        "Requested reservation is invalid",
        "Invalid feature specification",
    ],
)
def test_a_refusal_for_what_was_asked_does_not_pass(words: str) -> None:
    assert not passes(REFUSAL.format(words))
    assert not closed(REFUSAL.format(words))


@pytest.mark.skipif(not shutil.which("squeue"), reason="no SLURM here")
def test_the_installed_squeue_knows_no_other_state() -> None:
    """squeue names all its states when it is asked for one that it does not know."""
    said = subprocess.run(
        ["squeue", "--states=NONE_SUCH"], capture_output=True, text=True, check=False, timeout=20
    ).stderr
    named = set(re.findall(r"\b[A-Z_]{6,}\b", said.partition("Valid")[2]))
    assert named <= STATES.keys() | {"NONE_SUCH"}
