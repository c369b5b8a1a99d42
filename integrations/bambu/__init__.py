"""Printers on the local network: messages, decisions, connection, upload, and a simulated peer."""
