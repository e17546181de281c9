"""Keeps Aodh equal to the decision matrix: plan, apply, verify, like any declarative tool.

`compiler` turns rows into alarms and proves that they say the same, `reconciler` compares them with what Aodh has; both
are pure. `port` says what is needed of Aodh, `aodh` does it with aodhclient, `memory` is the fake beside it. `apply`
carries a plan out and reads it back.
"""
