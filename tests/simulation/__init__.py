"""The simulation tier: production code in a world of virtual time."""
