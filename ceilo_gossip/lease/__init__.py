"""The right to run instances: witnesses, heartbeats, leases and revocations. Pure.

A host holds its lease while a majority of the electorate has issued heartbeats, not older than the lease duration, that
do not revoke it. Nobody compares clocks, trusts a sender's idea of age, or asks anybody for permission: a host that
hears nothing simply holds nothing any more, at an instant that others can calculate (`contract.deadlines`).
"""
