"""The errors of osa_luigi, one small tree.

    OsaError
    ├── ConfigurationError    a YAML file, a key or a path in it is wrong (all problems at once)
    ├── NightError            what was observed cannot be processed as it is: files, run summary, catalog
    ├── ProductError          a product on disk is not what it should be
    │   ├── VerificationError     opened, and found wanting
    │   ├── KeyConflictError      made with other scientific settings, under the same production id
    │   └── ForeignProductError   a file without a receipt stands where a product goes
    ├── StepError             an attempt of a step failed
    ├── LedgerError           the ledger's database is away, locked, or of another version; no night is concerned
    └── ExecutorError         the place that runs the jobs is in trouble
        ├── SlurmAway             SLURM gave no usable answer: nothing is known
        │   ├── SlurmAbsent           this machine has not SLURM's commands: waiting does not help
        │   └── AccountingAway        SLURM answers, its accounting does not
        ├── SlurmRefused          SLURM understood, and said no
        └── NoAccounting          this SLURM keeps no accounting

Every message says what was wrong, where, and what to do next. Callers at the edge (the command line, the luigi
worker) print `str(error)` alone; a traceback is for defects of our own.
"""

from __future__ import annotations

from collections.abc import Sequence


class OsaError(Exception):
    """Base of every error that osa_luigi raises on purpose."""


class ConfigurationError(OsaError):
    """The configuration cannot be used.

    Parameters
    ----------
    problems
        One line each: ``file:line: key: what is wrong (hint)``.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        head = "1 problem" if count == 1 else f"{count} problems"
        super().__init__(f"{head} in the configuration:\n  " + "\n  ".join(self.problems))


class NightError(OsaError):
    """What was observed cannot be processed as it is."""


class ProductError(OsaError):
    """A product on disk is not what it should be."""


class VerificationError(ProductError):
    """A product was opened and found wanting: unreadable, a table missing, events missing, values not finite."""


class KeyConflictError(ProductError):
    """A product exists under the same production id, made with other scientific settings or inputs."""


class ForeignProductError(ProductError):
    """A file without a receipt stands where a product goes."""


class StepError(OsaError):
    """An attempt of a step failed."""


class LedgerError(OsaError):
    """The ledger's database cannot be used. It is a view: the nights' files are not concerned."""


class ExecutorError(OsaError):
    """The place that runs the jobs is in trouble."""


class SlurmAway(ExecutorError):  # noqa: N818
    """SLURM gave no usable answer: a time-out, nobody there, garbage, half an answer. It never means that there is no such job."""


class SlurmAbsent(SlurmAway):
    """This machine has not SLURM's commands, or they may not be run."""


class AccountingAway(SlurmAway):
    """SLURM answers, its accounting does not."""


class SlurmRefused(ExecutorError):  # noqa: N818
    """SLURM understood and said no: a partition, account or QOS that is not there, a limit, an option."""


class NoAccounting(ExecutorError):  # noqa: N818
    """This SLURM keeps no accounting: what has left its queue cannot be asked for."""
