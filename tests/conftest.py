"""What every test run shares: the Hypothesis profiles.

`ci` draws the same bounded examples on every machine, so that a red run can be repeated; `explore` draws new ones
and more of them (`HYPOTHESIS_PROFILE=explore tests/run.sh property`). Neither has a deadline: the machine may be
loaded, and a slow example is no wrong example.
"""

import os

import hypothesis

# 60 examples for each property keep the whole property tier under a minute on two shared cores.
hypothesis.settings.register_profile("ci", max_examples=60, derandomize=True, deadline=None, database=None)
hypothesis.settings.register_profile("explore", max_examples=2000, deadline=None, database=None, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
