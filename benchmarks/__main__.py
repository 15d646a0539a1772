"""``python -m benchmarks [NAME ...] [--json] [--write]``: run benchmarks, print one line each.

Exit status: 0 if every bar holds, 1 if one does not, 2 for an unknown name.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.machine import machine
from benchmarks.outcome import Benchmark
from benchmarks.registry import BENCHMARKS
from benchmarks.results import keep

__all__ = ["main", "record_of"]

BAR_MISSED, WRONG_USE = 1, 2


def main(words: Sequence[str] | None = None, benchmarks: Mapping[str, Benchmark] = BENCHMARKS) -> int:
    """Run the named benchmarks, all by default, one after the other."""
    chosen = _parser(benchmarks).parse_args(words)
    unknown = [name for name in chosen.names if name not in benchmarks]
    if unknown:
        print(f"no benchmark is called {', '.join(unknown)}; there are {', '.join(benchmarks)}", file=sys.stderr)
        return WRONG_USE
    records = []
    for name in chosen.names or benchmarks:
        records.append(record_of(benchmarks[name]))
        print(json.dumps(records[-1]) if chosen.json else _line(records[-1]), flush=True)
        if chosen.write:
            keep(records[-1:])
    return 0 if all(record["holds"] for record in records) else BAR_MISSED


def _parser(benchmarks: Mapping[str, Benchmark]) -> argparse.ArgumentParser:
    listed = "\n".join(f"  {b.name:10} {b.about}" for b in benchmarks.values())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=f"Measure what Soilscope promises.\n\n{listed}",
        epilog="Exit status: 0 every bar holds, 1 a bar is missed, 2 unknown name.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="which to run; all by default")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--write", action="store_true", help="keep the figures in benchmarks/RESULTS.md")
    return parser


def record_of(benchmark: Benchmark) -> dict[str, Any]:
    """Run one benchmark; its outcome as the JSON object that is printed."""
    start = time.perf_counter()
    outcome = benchmark.run(lambda text: print(f"{benchmark.name}: {text}", file=sys.stderr, flush=True))
    head = outcome.headline.as_dict()
    return head | {
        "name": benchmark.name,
        "figure": outcome.headline.name,
        "holds": outcome.holds,
        "headline_holds": outcome.headline.holds,
        "machine": machine(),
        "parts": [figure.as_dict() for figure in outcome.parts],
        "notes": outcome.notes,
        "seconds": round(time.perf_counter() - start, 1),
    }


def _line(record: Mapping[str, Any]) -> str:
    """The same in words: a line for the benchmark, one below it for each part."""
    lines = [f"{record['name']}: {'holds' if record['holds'] else 'DOES NOT HOLD'} ({record['seconds']} s)"]
    for figure in ({**record, "name": record["figure"]}, *record["parts"]):
        peer = "" if figure["peer"] is None else f"; {figure['peer']['name']}: {figure['peer']['value']}"
        ratio = "" if figure["ratio"] is None else f"; ratio {figure['ratio']}"
        bar = "" if figure["bar"] is None else f"; bar {figure['sense']} {figure['bar']}"
        lines.append(f"    {figure['name']}: {figure['value']} {figure['unit']}{peer}{ratio}{bar}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
