#!/usr/bin/env python
"""Django's command line."""

import os
import sys

# These run on a private machine with simulated partners; what they start inherits it.
PRIVATE = {"demo", "smoke", "kill_test", "bench", "pictures"}


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "blb3d.settings")
    if PRIVATE.intersection(sys.argv[1:2]):
        os.environ.setdefault("DEMO", "true")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
