"""The night with b2luigi's batch system "slurm". Run in an environment with b2luigi; see `foreign`."""

import json
import os
import sys
from pathlib import Path

import b2luigi

NIGHT = json.loads(os.environ["BENCH_NIGHT"])
FOLDER = Path(NIGHT["folder"])


class Subrun(b2luigi.Task):
    run_id = b2luigi.IntParameter()
    subrun = b2luigi.IntParameter()

    @property
    def number(self):
        return f"{self.run_id:05d}.{self.subrun:04d}"

    @property
    def executable(self):
        """Without it the job would start a Python that imports this file: that is the job's affair, not the engine's."""
        return [str(FOLDER / "job.sh"), self.number]

    def output(self):
        return {"made": b2luigi.LocalTarget(str(FOLDER / "made" / self.number))}


class Run(b2luigi.WrapperTask):
    run_id = b2luigi.IntParameter()
    batch_system = "local"

    def requires(self):
        return [Subrun(run_id=self.run_id, subrun=subrun) for subrun in range(NIGHT["subruns"][self.run_id])]


class Night(b2luigi.WrapperTask):
    batch_system = "local"

    def requires(self):
        return [Run(run_id=run_id) for run_id in range(len(NIGHT["subruns"]))]


if __name__ == "__main__":
    b2luigi.set_setting("batch_system", "slurm")
    b2luigi.set_setting("batch_status_cache_ttl", NIGHT["poll_s"])
    b2luigi.set_setting("result_dir", str(FOLDER / "results"))
    b2luigi.set_setting("log_dir", str(FOLDER / "logs"))
    b2luigi.set_setting("task_file_dir", str(FOLDER / "task_files"))
    b2luigi.process(
        Night(),
        batch=True,
        workers=NIGHT["tasks"],
        scheduler_host="127.0.0.1",
        scheduler_port=int(sys.argv[1]),
        log_level="WARNING",
        ignore_additional_command_line_args=True,
    )
