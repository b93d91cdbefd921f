"""The night as one of law's SLURM workflows. Run in an environment with law; see `foreign`."""

import json
import os
import sys
from pathlib import Path

import law
import luigi

law.contrib.load("slurm")

NIGHT = json.loads(os.environ["BENCH_NIGHT"])
FOLDER = Path(NIGHT["folder"])
JOB = """#!/bin/bash
# A branch by its number, instead of law's own script, which would start a Python that imports the workflow: that is the job's affair.
branch=$(printf %s "$4" | base64 -d)
exec {job} "$branch"
"""


class Subruns(law.slurm.SlurmWorkflow, law.LocalWorkflow):
    def create_branch_map(self):
        numbers = [(run, subrun) for run, count in enumerate(NIGHT["subruns"]) for subrun in range(count)]
        return dict(enumerate(numbers))

    def slurm_output_directory(self):
        return law.LocalDirectoryTarget(str(FOLDER / "law"))

    def slurm_job_file(self):
        return law.JobInputFile(str(FOLDER / "law_job.sh"))

    def output(self):
        return law.LocalFileTarget(str(FOLDER / "made" / str(self.branch)))

    def run(self):
        """What the job does; law asks for it, the job has it done by a shell."""
        self.output().touch()


if __name__ == "__main__":
    (FOLDER / "law_job.sh").write_text(JOB.format(job=FOLDER / "job.sh"))
    # Through the command line, which law reads again to write its jobs.
    asked = ["--workflow", "slurm", "--poll-interval", f"{NIGHT['poll_s']}s", "--log-level", "WARNING"]
    asked += ["--scheduler-host", "127.0.0.1", "--scheduler-port", sys.argv[1]]
    sys.exit(not luigi.run(["Subruns", *asked]))
