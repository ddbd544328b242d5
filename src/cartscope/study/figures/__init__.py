"""One module per published panel; each has a FIGURE constant."""
