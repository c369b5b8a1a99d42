"""Telling people what happened on the floor: rules say who wants what, rows see to it that it is told once."""
