"""One module per kind of claim: how it holds; each has a JUDGE constant."""
