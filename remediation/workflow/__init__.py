"""Carries incidents through: asks the agents, fences, evacuates, verifies; durably, and by one engine at a time.

Start reading at `engine` (which incidents), `carrier` (which step) and `ports` (who is asked). What is to be done is
decided in `remediation.incident`, which is pure.
"""
