"""The ways to get a service, a file for each family: what must be here, what to run, how to empty it."""
