"""``python -m testing.simulation``: many seeds, one script again, or every schedule of the small world.

Exit codes: 0 all that must hold does, 1 it does not, 2 the arguments make no sense, 130 it was interrupted.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import active_children, resource_tracker

from testing.simulation.campaign import SOUND_NAME, Campaign, load_system, run_seeds
from testing.simulation.explore import Bounds, explore
from testing.simulation.script import Script
from testing.simulation.shrink import report, trace
from testing.simulation.simulate import quiet, simulate

REPORTED = 3
"""How many failures are shrunk and printed."""

PROGRESS_EVERY = 5.0
"""Seconds."""

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        with quiet():
            return _run(options)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m testing.simulation", description=__doc__)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--seeds", type=_positive, default=20_000, help="how many seeds to run (20,000)")
    what.add_argument("--replay", type=_script, metavar="SCRIPT", help="show SEED, or what a failure prints")
    what.add_argument("--exhaustive", action="store_true", help="run every schedule of the small world")
    parser.add_argument("--start", type=_natural, default=0, help="the first seed (0)")
    parser.add_argument("--processes", type=_positive, help="how many processes (one for each core)")
    parser.add_argument("--preemptions", type=_natural, default=1, help="with --exhaustive: how many at most (1)")
    parser.add_argument("--crashes", type=_natural, default=1, help="with --exhaustive: how many at most (1)")
    parser.add_argument("--system", type=_system, default=SOUND_NAME, metavar="MODULE:NAME", help="simulate this one")
    return parser


def _natural(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 0")
    return int(text)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _script(text: str) -> Script:
    try:
        return Script.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _system(name: str) -> str:
    try:
        load_system(name)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return name


def _run(options: argparse.Namespace) -> int:
    if options.replay is not None:
        return _replay(options.replay, options.system)
    with _interrupts_held_back():
        campaign = _campaign(options)
    return _conclude(campaign, options.system)


def _campaign(options: argparse.Namespace) -> Campaign:
    progress = _Progress()
    if options.exhaustive:
        bounds = Bounds(options.preemptions, options.crashes)
        return explore(bounds, options.processes, options.system, progress)
    seeds = range(options.start, options.start + options.seeds)
    return run_seeds(seeds, options.processes, options.system, progress)


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """A terminal interrupts all processes of a campaign, and each would tell of it. So they are started with it held
    back, and this one looks for it between two chunks.
    """
    resource_tracker.ensure_running()  # it lets interrupts through again once it has started
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _heed_interrupts() -> None:
    if signal.SIGINT in signal.sigpending():
        for process in active_children():
            process.terminate()
        raise KeyboardInterrupt


def _replay(script: Script, system: str) -> int:
    simulated = load_system(system)
    _print(*trace(script, simulated))
    return 1 if simulate(script, simulated) else 0


def _conclude(campaign: Campaign, name: str) -> int:
    system = load_system(name)
    option = "" if name == SOUND_NAME else f"--system {name} "
    for text in campaign.failed[:REPORTED]:
        failure = simulate(Script.parse(text), system)
        if failure is not None:
            _print(report(failure, system, option), "")
    _print(summary(campaign))
    return 1 if campaign.failed else 0


def summary(campaign: Campaign) -> str:
    return (
        f"{campaign.schedules:,} schedules in {campaign.seconds:.1f} s, {campaign.rate:,.0f}/s, "
        f"{len(campaign.failed)} failed"
    )


class _Progress:
    """Prints a line now and then, and ends the campaign where it was interrupted."""

    def __init__(self) -> None:
        self._printed = time.monotonic()

    def __call__(self, campaign: Campaign) -> None:
        _heed_interrupts()
        if time.monotonic() - self._printed >= PROGRESS_EVERY:
            self._printed = time.monotonic()
            _print(summary(campaign))


def _print(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
