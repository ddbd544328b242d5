"""One module per result table: how it answers a claim; each has an EVIDENCE constant."""
