"""SWIM membership with Lifeguard, sans-IO: who is in the pool, and who has stopped answering.

Follows memberlist, whose peers it must agree with, and the Lifeguard paper (Dadgar, Phillips, Currey 2017) where
memberlist deviates from it; each deviation is named in the module that makes it.
"""
