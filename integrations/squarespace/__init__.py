"""Squarespace: signed notifications in, the Orders API as the truth, shipments told back."""
