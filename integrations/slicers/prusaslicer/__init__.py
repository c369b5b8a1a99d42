"""PrusaSlicer on the command line: a second opinion on estimates, and G-code for machines that speak Marlin."""
