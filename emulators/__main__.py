"""`python -m emulators run SERVICE.. [--way WAY].. -- COMMAND..`: starts services, runs the command with their
variables, stops them, and ends with the command's exit code."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from types import FrameType

from clef_runtime.errors import ClefError
from emulators.catalogue import SERVICES
from emulators.fleet import Fleet, start

BAD_INPUT, INTERRUPTED = 2, 130


def main(arguments: list[str]) -> int:
    ours, command = _split(arguments)
    parser = argparse.ArgumentParser(prog="python -m emulators", usage=__doc__)
    parser.add_argument("verb", choices=["run"])
    parser.add_argument("services", nargs="+", metavar="SERVICE", help=", ".join(SERVICES))
    parser.add_argument("--way", dest="ways", action="append", default=[], metavar="WAY")
    given = parser.parse_args(ours)
    if not command:
        parser.error("give the command after --")
    signal.signal(signal.SIGTERM, _stop)
    try:
        fleet = start(given.services, given.ways)
    except ClefError as error:
        sys.stderr.write(f"{error}\n")
        return BAD_INPUT
    except KeyboardInterrupt:
        return INTERRUPTED
    try:
        return _run(command, fleet)
    finally:
        fleet.stop()


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    at = arguments.index("--") if "--" in arguments else len(arguments)
    return arguments[:at], arguments[at + 1 :]


def _stop(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _run(command: list[str], fleet: Fleet) -> int:
    for member in fleet.members:
        sys.stderr.write(f"{', '.join(member.urls)}: {member.way}, ready in {member.ready_s} s\n")
    try:
        process = subprocess.Popen(command, env={**os.environ, **fleet.env})  # noqa: S603 - what the user gave
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror or error}\n")
        return 127
    while True:
        try:
            code = process.wait()
            return code if code >= 0 else 128 - code
        except KeyboardInterrupt:
            continue  # the command got it too, and says what becomes of it
        except SystemExit:
            process.terminate()
            process.wait()
            raise


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
