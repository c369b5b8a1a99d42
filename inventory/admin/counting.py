"""Cycle counts in the console."""
