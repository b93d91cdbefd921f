"""The naive pattern: a luigi task per job, which waits for it. Run in an environment with luigi; see `foreign`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import luigi

NIGHT = json.loads(os.environ["BENCH_NIGHT"])
FOLDER = Path(NIGHT["folder"])


class Subrun(luigi.Task):
    run_id = luigi.IntParameter()
    subrun = luigi.IntParameter()

    @property
    def number(self):
        return f"{self.run_id:05d}.{self.subrun:04d}"

    def output(self):
        return luigi.LocalTarget(str(FOLDER / "made" / self.number))

    def run(self):
        command = ["sbatch", "--wait", "--output=/dev/null", str(FOLDER / "job.sh"), self.number]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


class Run(luigi.WrapperTask):
    run_id = luigi.IntParameter()

    def requires(self):
        return [Subrun(run_id=self.run_id, subrun=subrun) for subrun in range(NIGHT["subruns"][self.run_id])]


class Night(luigi.WrapperTask):
    def requires(self):
        return [Run(run_id=run_id) for run_id in range(len(NIGHT["subruns"]))]


if __name__ == "__main__":
    done = luigi.build(
        [Night()],
        scheduler_host="127.0.0.1",
        scheduler_port=int(sys.argv[1]),
        workers=min(NIGHT["tasks"], NIGHT["slots"]),
        log_level="WARNING",
    )
    sys.exit(not done)
