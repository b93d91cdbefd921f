"""The batch engine: executors, the luigi worker that feeds them, and who may work on a night."""
