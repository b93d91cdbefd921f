"""Analyses that come with osa_luigi: to be used as they are, and to begin one's own with."""
