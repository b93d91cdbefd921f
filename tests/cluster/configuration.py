"""The configuration files of a private SLURM."""

from __future__ import annotations

import getpass
import socket
from dataclasses import dataclass
from pathlib import Path

SCHEDULER = (
    "batch_sched_delay=0,sched_min_interval=2,sched_interval=1,bf_interval=1,bf_continue,default_queue_depth=10000"
)
"""Many short jobs a second, rather than a few."""

MEMORY = {
    "none": "JobAcctGatherType=jobacct_gather/none\nTaskPlugin=task/none",
    "poll": "JobAcctGatherType=jobacct_gather/linux\nJobAcctGatherFrequency=task=1\n"
    "JobAcctGatherParams=OverMemoryKill\nTaskPlugin=task/none",
    "cgroup": "JobAcctGatherType=jobacct_gather/linux\nJobAcctGatherFrequency=task=2\nTaskPlugin=task/cgroup",
}
CGROUP = """CgroupPlugin=cgroup/v1
CgroupMountpoint=/sys/fs/cgroup
ConstrainRAMSpace=yes
ConstrainCores=no
AllowedSwapSpace=0
"""

CONTROLLER, DATABASE, STORAGE, NODES = 0, 1, 2, 10
"""Where the ports lie, from the first on."""


@dataclass(frozen=True)
class Shape:
    """What a cluster is like; see `Cluster`."""

    nodes: int
    cpus: int
    memory_mb: int
    accounting: str
    memory: str
    extra: tuple[str, ...]
    max_array_size: int
    max_jobs: int
    min_job_age_s: int


@dataclass(frozen=True)
class Layout:
    """What lies where in a cluster's folder."""

    folder: Path

    @property
    def etc(self) -> Path:
        """Configuration."""
        return self.folder / "etc"

    @property
    def run(self) -> Path:
        """Sockets, and who runs."""
        return self.folder / "run"

    @property
    def log(self) -> Path:
        """Logs."""
        return self.folder / "log"

    @property
    def slurm_conf(self) -> Path:
        """Names the cluster to SLURM's commands."""
        return self.etc / "slurm.conf"

    @property
    def my_cnf(self) -> Path:
        """MariaDB's configuration."""
        return self.etc / "my.cnf"

    @property
    def database(self) -> Path:
        """MariaDB's data."""
        return self.folder / "mysql"

    @property
    def key(self) -> Path:
        """Munge's key."""
        return self.folder / "munge" / "key"

    @property
    def munge(self) -> Path:
        """Munge's socket."""
        return self.run / "munge.sock"


GRANT = (
    "CREATE DATABASE IF NOT EXISTS slurm_acct_db; CREATE USER IF NOT EXISTS 'slurm'@'127.0.0.1' IDENTIFIED BY 'lab';"
    "GRANT ALL ON slurm_acct_db.* TO 'slurm'@'127.0.0.1';"
)


def write_configuration(layout: Layout, shape: Shape, port: int) -> None:
    """Make the folder and the files in it."""
    spools = [layout.folder / "spool" / f"node{number}" for number in range(1, shape.nodes + 1)]
    for folder in (layout.etc, layout.run, layout.log, layout.database, layout.folder / "state", *spools):
        folder.mkdir(parents=True, exist_ok=True)
    layout.key.parent.mkdir(mode=0o700, exist_ok=True)
    for folder in (layout.folder, layout.etc, layout.run, layout.log):
        folder.chmod(0o755)  # other users' jobs read the configuration and talk to munge
    layout.slurm_conf.write_text(_slurm_conf(layout, shape, port))
    if shape.memory == "cgroup":
        (layout.etc / "cgroup.conf").write_text(CGROUP)
    if shape.accounting == "dbd":
        layout.my_cnf.write_text(_my_cnf(layout, port))
        secret = layout.etc / "slurmdbd.conf"
        secret.touch(mode=0o600)
        secret.write_text(_slurmdbd_conf(layout, port))


def _slurm_conf(layout: Layout, shape: Shape, port: int) -> str:
    host = socket.gethostname().split(".")[0]
    user = getpass.getuser()
    ports = f"{port + NODES + 1}-{port + NODES + shape.nodes}"
    extra = "\n".join(shape.extra)
    return f"""ClusterName=lab
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port + CONTROLLER}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={layout.munge}
CredType=cred/munge
StateSaveLocation={layout.folder}/state
SlurmdSpoolDir={layout.folder}/spool/%n
SlurmctldPidFile={layout.run}/slurmctld.pid
SlurmdPidFile={layout.run}/slurmd.%n.pid
SlurmctldLogFile={layout.log}/slurmctld.log
SlurmdLogFile={layout.log}/slurmd.%n.log
SlurmctldDebug=info
SlurmdDebug=info
SwitchType=switch/none
MpiDefault=none
PlugStackConfig=/dev/null
ProctrackType=proctrack/linuxproc
SchedulerType=sched/backfill
SchedulerParameters={SCHEDULER}
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
PriorityType=priority/basic
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
MaxArraySize={shape.max_array_size}
MaxJobCount={shape.max_jobs}
FirstJobId=1
MinJobAge={shape.min_job_age_s}
MessageTimeout=10
SlurmctldTimeout=30
SlurmdTimeout=15
InactiveLimit=0
KillWait=2
OverTimeLimit=0
ReturnToService=2
JobRequeue=1
KillOnBadExit=0
UnkillableStepTimeout=60
TreeWidth=65533
{MEMORY[shape.memory]}
{_accounting(layout, shape, port)}
{extra}
NodeName=node[1-{shape.nodes}] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{ports}] CPUs={shape.cpus} \
RealMemory={shape.memory_mb} State=UNKNOWN
PartitionName=short Nodes=ALL Default=YES MaxTime=01:00:00 DefaultTime=00:10:00 DefMemPerCPU=200 \
PriorityTier=10 PreemptMode=OFF State=UP
PartitionName=long Nodes=ALL MaxTime=7-00:00:00 DefaultTime=01:00:00 DefMemPerCPU=200 \
PriorityTier=1 PreemptMode=OFF State=UP
PartitionName=scavenge Nodes=ALL MaxTime=1-00:00:00 DefaultTime=01:00:00 DefMemPerCPU=200 \
PriorityTier=0 PreemptMode=REQUEUE State=UP
"""


def _accounting(layout: Layout, shape: Shape, port: int) -> str:
    if shape.accounting == "light":
        return (
            "AccountingStorageType=accounting_storage/none\n"
            f"JobCompType=jobcomp/filetxt\nJobCompLoc={layout.folder}/jobcomp.txt"
        )
    # Without the password, which is munge's socket, a private munge makes every call hang.
    return f"""AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={port + DATABASE}
AccountingStoragePass={layout.munge}
AccountingStoreFlags=job_comment
JobCompType=jobcomp/none"""


def _slurmdbd_conf(layout: Layout, port: int) -> str:
    return f"""AuthType=auth/munge
AuthInfo=socket={layout.munge}
DbdHost={socket.gethostname().split(".")[0]}
DbdAddr=127.0.0.1
DbdPort={port + DATABASE}
SlurmUser={getpass.getuser()}
LogFile={layout.log}/slurmdbd.log
PidFile={layout.run}/slurmdbd.pid
DebugLevel=info
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={port + STORAGE}
StorageUser=slurm
StoragePass=lab
StorageLoc=slurm_acct_db
CommitDelay=1
"""


def _my_cnf(layout: Layout, port: int) -> str:
    return f"""[mariadbd]
user={getpass.getuser()}
datadir={layout.database}
socket={layout.run}/mysql.sock
pid-file={layout.run}/mariadbd.pid
log-error={layout.log}/mariadb.log
bind-address=127.0.0.1
port={port + STORAGE}
innodb_buffer_pool_size=256M
innodb_log_file_size=64M
innodb_lock_wait_timeout=900
innodb_flush_log_at_trx_commit=0
innodb_doublewrite=0
skip-log-bin
skip-name-resolve
performance_schema=OFF
"""
