"""The SLURM engine in a simulated world: seeded nights with a crash at every step of the engine, and a SLURM that lies."""
