"""The remediator that runs on the controllers: it makes sure a failed host is off, then evacuates it."""
