"""The soak: a farm of simulated printers runs for a while, everything is killed now and then, and nothing may be lost.

The printers keep a record of the truth; at the end every job of the database is held against it.
"""
