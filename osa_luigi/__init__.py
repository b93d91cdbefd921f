"""osa_luigi: the onsite analysis engine for Cherenkov telescopes, as a luigi task graph."""
