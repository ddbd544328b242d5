"""One module per step of the road; each has a STEP constant."""
