"""Planning by finite capacity: plain data in, a plan out, no database. See ``problem`` for the words used."""
