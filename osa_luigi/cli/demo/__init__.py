"""The demo: a simulated night with luigid, luigi's own command, and progress."""
