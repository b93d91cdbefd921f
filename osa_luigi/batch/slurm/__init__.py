"""The executor on a SLURM cluster."""
