"""Fencing: make certain that a host is off, and say what that certainty rests on.

Start reading at `driver` (the port), `evidence` (what comes out of it) and `ladder` (what the engine calls).
"""
