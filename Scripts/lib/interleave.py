"""Measures commands side by side: interleave.py CASES.json ROUNDS [--after COMMAND]

CASES.json is a list of {"group", "name", "command" (for the shell), "clean" (for the shell, untimed, after each run), "yardstick"
(a short name, or nothing)}. Each round runs every case once, in an order that rotates, so that whatever slows the machine for
a while slows all of them. One round before the first warms the caches. Prints a Markdown table, with the ratio of each
median to those of the group's yardsticks.
"""

import json
import statistics
import subprocess
import sys
import time


def run(command):
    result = subprocess.run(["bash", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE)
    if result.returncode != 0:
        raise SystemExit(f"interleave: exit status {result.returncode}: {command}\n{result.stderr.decode()}")


def measure(command):
    started = time.monotonic()
    run(command)
    return (time.monotonic() - started) * 1000


def main():
    cases, rounds = json.load(open(sys.argv[1])), int(sys.argv[2])
    after = sys.argv[4] if len(sys.argv) > 4 and sys.argv[3] == "--after" else None
    for case in cases:
        case["times"] = []
    for number in range(rounds + 1):
        print(f"round {number} of {rounds}", file=sys.stderr)
        turn = number % len(cases)
        for case in cases[turn:] + cases[:turn]:
            milliseconds = measure(case["command"])
            if case.get("clean"):
                run(case["clean"])
            if after:
                run(after)
            if number > 0:
                case["times"].append(milliseconds)
    report(cases)


def report(cases):
    yardsticks = list(dict.fromkeys(case["yardstick"] for case in cases if case["yardstick"]))
    print("| tree | what | median ms | min | max |" + "".join(f" ÷ {name} |" for name in yardsticks))
    print("| --- | --- | ---: | ---: | ---: |" + " ---: |" * len(yardsticks))
    for case in cases:
        values = case["times"]
        cells = [case["group"], case["name"], *(f"{f(values):.1f}" for f in (statistics.median, min, max))]
        for yardstick in yardsticks:
            base = [c["times"] for c in cases if c["group"] == case["group"] and c["yardstick"] == yardstick]
            cells.append(f"{statistics.median(values) / statistics.median(base[0]):.3f}" if base else "")
        print("| " + " | ".join(cells) + " |")


main()
