"""Adds up the test runs of all places: test_summary.py DIRECTORY [--allow-empty]

DIRECTORY has, for each place, PLACE.jsonl (the event stream of Swift Testing) and PLACE.status (the exit status of the test
process), and checks.tsv (name, seconds, exit status of each check that is no Swift test). Prints what failed, what was
skipped, and the 20 slowest; the last line is `N passed, N failed`, with `, N skipped` if any was. Exit status 0 only if
nothing failed and nothing was skipped. Skipped is what ran in no place: some tests need a host with systemd, and place K may
not be one.
"""

import json
import pathlib
import re
import sys
from collections import namedtuple

Result = namedtuple("Result", "place name seconds outcome reason")


def records(path):
    for line in path.read_text(errors="replace").splitlines():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            return  # the last line of a process that was killed while it wrote


def read_stream(place, path, status, allow_empty):
    functions, started, ended, skipped, issues = {}, {}, {}, {}, {}
    finished = False
    for record in records(path) if path.exists() else ():
        payload = record["payload"]
        if record["kind"] == "test":
            if payload["kind"] == "function":
                functions[payload["id"]] = display_name(payload)
            continue
        kind, test = payload["kind"], payload.get("testID", "")
        text = " ".join(message["text"] for message in payload.get("messages", ()))
        if kind == "testStarted":
            started[test] = payload["instant"]["absolute"]
        elif kind == "testEnded":
            ended[test] = payload["instant"]["absolute"]
            # A suite fails with its tests, which are counted themselves.
            if test in functions and any(message["symbol"] == "fail" for message in payload.get("messages", ())):
                issues.setdefault(test, []).append(text)
        elif kind == "testSkipped":
            skipped[test] = text
        elif kind == "issueRecorded":
            issue = payload.get("issue", {})
            if issue.get("isFailure", not issue.get("isKnown", False)):
                issues.setdefault(test, []).append(text)
        elif kind == "runEnded":
            finished = True

    results = []
    for test, name in functions.items():
        seconds = ended.get(test, 0) - started.get(test, 0) if test in ended else 0
        if test in issues:
            results.append(Result(place, name, seconds, "failed", issues[test][0]))
        elif test in skipped:
            results.append(Result(place, name, 0, "skipped", skipped[test]))
        elif test in ended:
            results.append(Result(place, name, seconds, "passed", ""))
        elif test in started:
            results.append(Result(place, name, 0, "failed", "did not end"))
        elif not finished:
            results.append(Result(place, name, 0, "failed", "was not run"))
    # Issues of a suite, or of no test at all, and suites that were skipped without a word about their tests.
    for test, texts in issues.items():
        if test not in functions:
            results.append(Result(place, test or "issue outside tests", 0, "failed", texts[0]))
    for test, text in skipped.items():
        if test not in functions and not any(name.startswith(test + "/") for name in functions):
            results.append(Result(place, test, 0, "skipped", text))
    if not results and allow_empty:
        return results
    if not results:
        results.append(Result(place, "test run", 0, "failed", f"ran no test (exit status {status})"))
    elif not finished:
        results.append(Result(place, "test run", 0, "failed", f"ended before its tests did (exit status {status})"))
    elif status != 0 and all(result.outcome != "failed" for result in results):
        results.append(Result(place, "test run", 0, "failed", f"no test failed, yet the exit status is {status}"))
    return results


def display_name(test):
    """Module, suites and the test's own name: the identity of the test in every place."""
    suites = "/".join(re.split(r"/(?=[^/]*`|[^/`]*\()", test["id"], maxsplit=1)[:1])
    return f"{suites} · {test.get('displayName') or test['name']}"


def shortened(text):
    """The whole stands in the output of the test run."""
    return text if len(text) <= 500 else text[:500] + " …"


def read_checks(path):
    if not path.exists():
        return
    for line in path.read_text().splitlines():
        name, seconds, status = line.split("\t")
        outcome = "passed" if status == "0" else "failed"
        yield Result("checks", name, float(seconds), outcome, "" if status == "0" else f"exit status {status}")


def main():
    directory = pathlib.Path(sys.argv[1])
    allow_empty = "--allow-empty" in sys.argv
    results = list(read_checks(directory / "checks.tsv"))
    for status_file in sorted(directory.glob("*.status")):
        place = status_file.stem
        status = int(status_file.read_text() or 1)
        results += read_stream(place, directory / f"{place}.jsonl", status, allow_empty)

    ran = {result.name for result in results if result.outcome != "skipped"}
    results = [result for result in results if result.outcome != "skipped" or result.name not in ran]

    count = {outcome: sum(r.outcome == outcome for r in results) for outcome in ("passed", "failed", "skipped")}
    slowest = sorted(results, key=lambda result: -result.seconds)[:20]
    if slowest:
        print(f"\nThe {len(slowest)} slowest:")
        for result in slowest:
            print(f"{result.seconds:9.2f} s  {result.place:6}  {result.name}")
    for outcome in ("skipped", "failed"):
        for result in results:
            if result.outcome == outcome:
                print(f"\n{outcome.upper()}: {result.place}  {result.name}\n    {shortened(result.reason)}")
    if not results:
        print("\nno test has this name")
    print()
    line = f"{count['passed']} passed, {count['failed']} failed"
    print(line + (f", {count['skipped']} skipped" if count["skipped"] else ""))
    return 1 if count["failed"] or count["skipped"] or not results else 0


sys.exit(main())
