"""Guards: reasons not to act on a host that is confirmed bad.

Start reading at `port`. Guards are found through the stevedore namespace `remediation.guards`.
"""
