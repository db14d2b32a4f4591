"""`python -m tests.simulation --seed 7`: plays one seed again and tells its last 200 events."""

import argparse
import logging
import sys
from contextlib import ExitStack

import structlog
from rich.console import Console

from tests.server import cluster
from tests.simulation.served import served_on
from tests.simulation.world import play


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--naive", action="store_true", help="the control in place of Karcis")
    parser.add_argument("--served", action="store_true", help="the server itself, on PostgreSQL")
    asked = parser.parse_args()
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with ExitStack() as stack:
        office = None
        if asked.served:
            office = stack.enter_context(served_on(stack.enter_context(cluster.running()))).office
        played = play(asked.seed, naive=asked.naive, office=office)
    screen = Console(highlight=False, soft_wrap=True)
    screen.print("\n".join(played.log), markup=False)
    mode = "liveness" if played.liveness else "safety"
    screen.print(f"seed {played.seed}, {mode}: {dict(played.fired)}", markup=False)
    for what, examples in played.examples.items():
        screen.print(f"{played.violations[what]} x {what}: {', '.join(examples[:3])}")
    return 1 if played.violations else 0


if __name__ == "__main__":
    sys.exit(main())
