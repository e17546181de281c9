"""A simulated data centre that runs the production code in virtual time and tries to break every promise.

Start reading at `world`. Run it with `python -m tests.simulation.world --seed 1`.
"""
