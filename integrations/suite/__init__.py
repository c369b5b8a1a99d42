"""The Bambu Print Suite over HTTP: is it there, and what does it think a file takes.

Its interface has no call that slices or hands out a sliced file, so it is no slicer here: print files come from the
command line, or from people.
"""
