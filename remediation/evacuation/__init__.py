"""Evacuation: rebuild the instances of a host that is proved to be off, each exactly once.

Start reading at `port` (what is asked of Nova) and `planner` (which instance, when; pure).
"""
