"""What the rows of the claim ledger hold beside the verdict."""
