"""Plugins for ceilometer-polling: they ask one agent for the figures of the whole pool, once per polling cycle."""
