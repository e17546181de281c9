"""What several tests share: fakes of the world outside, never of our own code."""
