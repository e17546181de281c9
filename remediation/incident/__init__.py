"""One host's failure from its first call to its end; pure.

Time is an argument, nothing here does input or output. `machine` holds the one table of transitions, `steps` decides
what is to be done next, `confirm` counts what the agents said. `remediation.workflow` carries the steps out.
"""
