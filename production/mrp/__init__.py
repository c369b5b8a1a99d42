"""Material requirements planning as a pure function: rows in, a plan out; it knows no database.

The rules are in :mod:`production.mrp.ground`.
"""
