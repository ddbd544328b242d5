"""What several panels share: their tables, their layout and the drawings that come in pairs."""
