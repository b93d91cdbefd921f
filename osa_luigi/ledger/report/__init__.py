"""The night's report: what it says, as data, and how that looks as a page or as a few lines."""
