"""A pocket OpenStack on one machine: real services on light hosts that can be cut off, hung and powered off."""
