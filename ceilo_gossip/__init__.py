"""The agent that runs on every host: it watches its peers and itself, and reports what it concludes."""
