"""Is a site, and this machine, fit to run nights? One module for each area; `checkup` runs them, and none can hold it up."""
