"""Runs the command `lifeline` as a user does: in pipes, on a terminal, against good and bad peers."""

import argparse
import importlib
import os
import sys
import time
import traceback

from command import Command
from framework import TESTS

MODULES = ["usage", "demo", "serve", "pipes", "statuses", "interruptions", "terminals", "tls", "security", "bench", "proxy", "replay",
           "numbers", "outputs", "waits", "archives"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binary", help="the command")
    parser.add_argument("--only", default="", metavar="TEXT", help="run the tests whose name has the text")
    arguments = parser.parse_args()
    Command.binary = os.path.abspath(arguments.binary)
    for module in MODULES:
        importlib.import_module(module)
    passed = failed = 0
    for function in TESTS:
        if arguments.only not in function.__name__:
            continue
        begin = time.monotonic()
        try:
            function()
            passed += 1
            print(f"ok   {function.__name__} ({time.monotonic() - begin:.2f} s)", flush=True)
        except Exception as error:
            failed += 1
            print(f"FAIL {function.__name__}: {error}", flush=True)
            traceback.print_exc(file=sys.stdout)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


main()
