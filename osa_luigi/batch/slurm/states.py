"""What SLURM's states and reasons mean to us: tables, so that every one of them is a decision that a test can name.

Seen on SLURM 22.05 and in its manuals (squeue, "JOB STATE CODES" and "JOB REASON CODES").
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import chain


class Standing(StrEnum):
    """How an element stands on the cluster."""

    WAITING = "waiting"
    LIVE = "live"
    GOOD = "good"
    BAD = "bad"

    @property
    def ended(self) -> bool:
        """Whether SLURM will do nothing more with it."""
        return self in (Standing.GOOD, Standing.BAD)


class Cause(StrEnum):
    """Why a job ended without its products; each has a rule in the configuration."""

    TOOL = "tool"
    """The tool failed, or its products did not pass: it would again."""
    MEMORY = "memory"
    TIME = "time"
    NODE = "node"
    """The node failed, or could not start."""
    PREEMPTED = "preempted"
    KILLED = "killed"
    """Ended by a signal that nobody explains."""
    LAUNCH = "launch"
    """It never came to run our program."""
    VANISHED = "vanished"
    """SLURM does not know it any more, and it left neither record nor products."""
    CANCELLED = "cancelled"
    DEADLINE = "deadline"
    REFUSED = "refused"
    """sbatch said no."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a state means: how the element stands, and if badly, why."""

    standing: Standing
    cause: Cause | None = None


_WAITING = Meaning(Standing.WAITING)
_LIVE = Meaning(Standing.LIVE)


def _bad(cause: Cause) -> Meaning:
    return Meaning(Standing.BAD, cause)


STATES: Mapping[str, Meaning] = {
    "PENDING": _WAITING,
    "CONFIGURING": _WAITING,
    "REQUEUED": _WAITING,
    "REQUEUE_FED": _WAITING,
    "REQUEUE_HOLD": _WAITING,
    "RESV_DEL_HOLD": _WAITING,
    "SPECIAL_EXIT": _WAITING,
    "POWER_UP_NODE": _WAITING,
    "RUNNING": _LIVE,
    "COMPLETING": _LIVE,
    "SUSPENDED": _LIVE,
    "STOPPED": _LIVE,
    "SIGNALING": _LIVE,
    "STAGE_OUT": _LIVE,
    "RESIZING": _LIVE,
    "UPDATE_DB": _LIVE,
    "COMPLETED": Meaning(Standing.GOOD),
    "FAILED": _bad(Cause.KILLED),
    "TIMEOUT": _bad(Cause.TIME),
    "OUT_OF_MEMORY": _bad(Cause.MEMORY),
    "CANCELLED": _bad(Cause.CANCELLED),
    "DEADLINE": _bad(Cause.DEADLINE),
    "BOOT_FAIL": _bad(Cause.NODE),
    "NODE_FAIL": _bad(Cause.NODE),
    "LAUNCH_FAILED": _bad(Cause.LAUNCH),
    "RECONFIG_FAIL": _bad(Cause.NODE),
    "PREEMPTED": _bad(Cause.PREEMPTED),
    "REVOKED": _bad(Cause.NODE),
}
"""Every state of SLURM's."""

LAUNCH_CODE = 53
"""Exit "code" 0:53 of a job whose folder or output file could not be had: nothing of ours ran."""


def meaning(state: str, signal: int = 0) -> Meaning:
    """What a state means; one that we do not know is taken for live: nothing is done because of a word."""
    if state == "FAILED" and signal == LAUNCH_CODE:
        return _bad(Cause.LAUNCH)
    return STATES.get(state, _LIVE)


REQUEUED_AFTER = (Cause.NODE, Cause.PREEMPTED)
"""Ends after which SLURM may still requeue the element by itself: believed only once the queue no longer holds it."""

UNSTARTED = "launch failed requeued held"
"""Reason of an element that a node could not start: SLURM has put it back, and holds it."""

LESS_OF_ALL = "lower resources.*.time_limit_minutes, cores or memory_mb"
LESS_OF_IT = "see executor.slurm.extra and resources, or choose another executor.slurm.qos"
ACCOUNT_IS_SPENT = "choose another executor.slurm.account, or ask the cluster's administrators"
QOS_IS_SPENT = "choose another executor.slurm.qos, or ask the cluster's administrators"

STUCK: Mapping[str, str] = {
    "JobHeldUser": "it is held: `scontrol release {id}`, or `osa cancel` it",
    "JobHeldAdmin": "an administrator of the cluster holds it: ask there",
    "JobHoldMaxRequeue": "requeued too often and held: look at the node, then `scontrol release {id}`",
    UNSTARTED: "its nodes could not start it, again and again, and it is held: look at the node, then `scontrol release {id}`",
    "DependencyNeverSatisfied": "it waits for a job that failed: `osa cancel` it, see executor.slurm.extra, then `osa retry`",
    "PartitionConfig": "the partition cannot run it as asked: compare executor.slurm and resources with `scontrol show partition`",
    "PartitionDown": "the partition is down: ask the cluster's administrators",
    "PartitionInactive": "the partition is inactive: ask the cluster's administrators",
    "PartitionNodeLimit": "it asks for more nodes than the partition allows: see executor.slurm.extra",
    "PartitionTimeLimit": "more time than the partition allows: lower resources.*.time_limit_minutes, or choose another partition",
    "BadConstraints": "no node satisfies what it asks for: see executor.slurm.extra and resources",
    "ReqNodeNotAvail": "the nodes it asks for are not available (a reservation, or down)",
    "AccountNotAllowed": "the account may not use the partition: see executor.slurm.account",
    "QOSNotAllowed": "the QOS may not be used there: see executor.slurm.qos",
    "InvalidAccount": "SLURM does not know the account: see executor.slurm.account",
    "InvalidQOS": "SLURM does not know the QOS: see executor.slurm.qos",
    "AssocMaxMemPerJob": "it asks for more memory than the account may have: lower resources.*.memory_mb",
    "AssocMaxMemPerNode": "it asks for more memory on a node than the account may have: lower resources.*.memory_mb",
    "AssocMaxWallDurationPerJobLimit": "it asks for more time than the account may have: lower resources.*.time_limit_minutes",
    "AssocMaxCpuPerJob": "it asks for more cores than the account may have: lower resources.*.cores",
    "AssocMaxCpuPerNode": "it asks for more cores on a node than the account may have: lower resources.*.cores",
    "AssocMax*MinutesPerJob": f"it asks for more for its whole time than the account may have: {LESS_OF_ALL}",
    "AssocMax*PerJob": f"it asks for more than one job of the account may have: {LESS_OF_IT}",
    "AssocMax*PerNode": f"it asks for more on a node than the account may have: {LESS_OF_IT}",
    "AssocGrp*Minutes": f"what the account was granted is used up, or does not suffice for the time it asks for: {ACCOUNT_IS_SPENT}",
    "AssocGrpWall": f"the time that the account was granted is used up, or does not suffice for it: {ACCOUNT_IS_SPENT}",
    "AssociationTimeLimit": f"the time that the account was granted is used up: {ACCOUNT_IS_SPENT}",
    "QOSMaxMemoryPerJob": "it asks for more memory than the QOS allows: lower resources.*.memory_mb",
    "QOSMaxMemoryPerNode": "it asks for more memory on a node than the QOS allows: lower resources.*.memory_mb",
    "QOSMaxWallDurationPerJobLimit": "it asks for more time than the QOS allows: lower resources.*.time_limit_minutes",
    "QOSMaxCpuPerJob": "it asks for more cores than the QOS allows: lower resources.*.cores",
    "QOSMaxCpuPerNode": "it asks for more cores on a node than the QOS allows: lower resources.*.cores",
    "QOSMax*MinutesPerJob": f"it asks for more for its whole time than the QOS allows: {LESS_OF_ALL}",
    "QOSMax*PerJob": f"it asks for more than the QOS allows one job: {LESS_OF_IT}",
    "QOSMax*PerNode": f"it asks for more on a node than the QOS allows: {LESS_OF_IT}",
    "QOSMinCpu": "it asks for fewer cores than the QOS is for: raise resources.*.cores, or choose another executor.slurm.qos",
    "QOSMinMemory": "it asks for less memory than the QOS is for: raise resources.*.memory_mb, or choose another executor.slurm.qos",
    "QOSMin": "it asks for less than the QOS is for: see executor.slurm.extra, or choose another executor.slurm.qos",
    "QOSGrp*Minutes": f"what the QOS was granted is used up, or does not suffice for the time it asks for: {QOS_IS_SPENT}",
    "QOSGrpWall": f"the time that the QOS was granted is used up, or does not suffice for it: {QOS_IS_SPENT}",
    "QOSTimeLimit": f"the time that the QOS was granted is used up: {QOS_IS_SPENT}",
    "QOSUsageThreshold": f"the account has used more than the QOS lets it: {QOS_IS_SPENT}",
    "MaxMemPerLimit": "it asks for more memory than a node may give: lower resources.*.memory_mb",
}
"""Reasons for which a waiting element needs a person, and what that person does next; named as in `PATIENT`."""


PATIENT: Mapping[str, str] = {
    "Resources": "it is next, as soon as a node has room",
    "Priority": "others go before it",
    "JobArrayTaskLimit": "as many of its array run as executor.slurm.throttle allows",
    "BeginTime": "SLURM starts it a little later, after a requeue",
    "Dependency": "it waits for another job of the cluster",
    "Reservation": "its reservation has not begun",
    "Licenses": "a licence is in use",
    "QOSMax": "as many run as the QOS allows",
    "QOSGrp": "the QOS as a whole is at its limit",
    "QOSGrp*RunMinutes": "what runs takes all the time that the QOS allows at once",
    "QOSJobLimit": "as many run as the QOS allows",
    "QOSResourceLimit": "as many run as the QOS allows",
    "Max*PerUser": "as many run as the QOS allows you",
    "Max*PerAccount": "as many run as the QOS allows the account",
    "AssocMax": "as many run as the account allows you",
    "AssocGrp": "the account as a whole is at its limit",
    "AssocGrp*RunMinutes": "what runs takes all the time that the account allows at once",
    "Association": "as many run as the account allows you",
    "Cleaning": "SLURM clears away after an earlier attempt",
    "Prolog": "its node is being made ready",
    "NodeDown": "its node is down; SLURM finds another one",
    "Nodes required for job are DOWN": "its nodes are down, drained, or kept for another partition, and it is next once they are not",
    "ReqNodeNotAvail, Reserved for maintenance": "it would run into a maintenance of its nodes, and starts after it",
}
"""Reasons for which a waiting element goes on waiting, by how they begin: nobody needs to do anything.

A `*` stands for anything. Of all names here and in `STUCK` that fit a reason the longest counts: what a single job may never have begins
as what so many at a time may not.
"""


@lru_cache(maxsize=1024)
def _named(reason: str) -> str:
    """The name in our tables that fits a reason; empty if none does."""
    said = reason.strip("()")
    return max((name for name in chain(STUCK, PATIENT) if fnmatchcase(said, f"{name}*")), key=len, default="")


def patient(reason: str) -> str:
    """What a reason means for which SLURM lets an element wait; empty if we do not know it."""
    return PATIENT.get(_named(reason), "")


def stuck(state: str, reason: str) -> str:
    """Why an element will not start by itself and what to do; empty if it will, sooner or later."""
    if state in ("REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"):
        return "it is held after a requeue: look at its log, then `scontrol release {id}`"
    return STUCK.get(_named(reason), "")


PASSING = ("maxsubmit", "grpsubmit", "maximum number of jobs", "jobs limit")
"""Words (lower case) of a refusal that passes by itself: so many jobs at a time and no more."""

CLOSED: Mapping[str, str] = {
    "partition not available": (
        "The partition takes no jobs for now: ask the cluster's administrators, or choose another executor.slurm.partition."
    ),
    "required node not available": "Look at the cluster's nodes (`sinfo -R`).",
    "requested nodes are busy": "Look at the cluster's nodes (`sinfo`).",
    "due to maintenance reservation": "Look how long that lasts (`scontrol show reservation`).",
    "system submissions disabled": "Ask the cluster's administrators.",
}
"""Words (lower case) of a refusal for how the cluster is at the moment, and what a person can do; once that is over it takes the same job.

A partition that is down, or whose nodes are, takes jobs and lets them wait; one that is drained or inactive does not.
"""

_LIMIT = re.compile(r"\b(?:(?:qos|assoc)(?:max|min|grp)\w+|max\w+per(?:account|user)\b)", re.ASCII)
"""A limit by its name (lower case)."""


def closed(refusal: str) -> str:
    """What to do about a refusal for how the cluster is at the moment; empty if it is for something else."""
    said = refusal.lower()
    return next((advice for words, advice in CLOSED.items() if words in said), "")


def passes(refusal: str) -> bool:
    """Whether sbatch may say yes to the same thing later.

    For each limit of an account or a QOS that a job breaks SLURM has the one text, "job submit limit, user's size and/or time limits";
    most often it names the limit in a line before.
    """
    said = refusal.lower()
    if closed(said) or any(words in said for words in PASSING):
        return True
    return "submit limit" in said and not _LIMIT.search(said)
