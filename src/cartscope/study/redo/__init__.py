"""Tests done again: with patients on other sides, or without one of them."""
