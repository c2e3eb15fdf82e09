#!/usr/bin/env python3
"""Runs a management command with this project's settings."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reviewapp.settings")
    if sys.argv[1:] == ["up"]:
        # It needs the settings and none of the apps, which take most of a second to load.
        from reviewapp.management.commands.up import start

        start()
    from reviewapp.management.running import run

    run(sys.argv)


if __name__ == "__main__":
    main()
