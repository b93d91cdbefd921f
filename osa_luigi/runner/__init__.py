"""The runner: executes steps inside a job, each attempt in a forked child of its own."""
