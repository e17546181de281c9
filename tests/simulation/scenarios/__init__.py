"""Described worlds: one directory each, with what is to happen and what came of it.

    README         what the scenario shows, in a few sentences
    world.yaml     the cluster (`cluster.from_mapping`), `seed` and `seconds`
    script         what happens when, and what is expected (`world.script`)
    expected.log   the story, abridged (`story`), as it was reviewed

`python -m tests.simulation.scenarios` runs all and compares; `--rewrite` writes what came of them into expected.log,
to be reviewed as a difference.
"""
