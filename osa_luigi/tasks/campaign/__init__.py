"""Campaigns: many nights under one reconstruction or several, each night with an engine of its own, a few at a time."""
