"""What clients send to the apps; see `clef_sim.requests`."""
