"""The list of commands, and what a process needs before any of them.

Belongs here: the name and order of commands. Does not: options and words (commands/) or the work
(agent/, tools/, collect/, demo/). Exit codes: 0 done, 1 unreadable lines with --strict or a failed check, 2 usage or
configuration.
"""

from __future__ import annotations

import ctypes
import os

import click

from consumer import __version__
from consumer.commands.backfill import backfill
from consumer.commands.check import check
from consumer.commands.common import answers
from consumer.commands.config import config
from consumer.commands.demo import demo
from consumer.commands.discover import discover
from consumer.commands.dump import dump
from consumer.commands.elements import elements
from consumer.commands.health import health
from consumer.commands.init import init
from consumer.commands.kcl import kcl
from consumer.commands.replay import replay
from consumer.commands.run import run
from consumer.kernel_cache import kernel_cache_folder

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def prepare_process() -> None:
    """Settings of the process that must precede the first import of numba and the first large allocation."""
    os.environ.setdefault("NUMBA_CACHE_DIR", str(kernel_cache_folder()))
    try:
        # glibc maps and faults anew every buffer above 128 KiB; ours are 1-2 MiB and live for microseconds.
        # M_MMAP_THRESHOLD = -3, M_TRIM_THRESHOLD = -1 (malloc.h); measured in benchmarks/.
        libc = ctypes.CDLL(None)
        libc.mallopt(-3, 32 << 20)
        libc.mallopt(-1, 256 << 20)
    except (OSError, AttributeError):
        pass  # another libc: slower, not wrong


@click.group(context_settings=CONTEXT)
@click.version_option(__version__, prog_name="vpcflow", message="%(prog)s %(version)s")
def main() -> None:
    """Make an AWS network visible to the flow collector you already run.

    vpcflow reads VPC Flow Logs out of AWS, names what they talk about, and re-emits them as IPFIX over UDP.

    \b
    Try it without AWS:        vpcflow demo
    Look at a flow log file:   vpcflow dump --listen 127.0.0.1:4739 &
                               vpcflow replay FILE --collector 127.0.0.1:4739
    Look at your accounts:     vpcflow discover --role arn:aws:iam::ACCOUNT:role/NAME
    Run the agent:             vpcflow run -c vpcflow.toml

    \b
    Exit codes: 0 done · 1 lines were unreadable and --strict, or a check failed · 2 usage or configuration ·
    130 interrupted
    """
    prepare_process()


for command in (init, run, demo, replay, backfill, dump, elements, discover, check, health, config, kcl):
    main.add_command(command)


@main.command(hidden=True)
@answers
def kernels() -> None:
    """Compile the kernels ahead of their first use (set-up and image build call this)."""
    from consumer.assembly import warm_up

    warm_up()


if __name__ == "__main__":
    main()
