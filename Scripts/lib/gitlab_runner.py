"""Runs one job through a custom executor the way GitLab Runner 19 does: a stand-in for runner and server.

    gitlab_runner.py --repository DIRECTORY --url URL --job NAME [--variable KEY=VALUE]… -- DRIVER OPTION…

The job comes from the .gitlab-ci.yml of the repository, in the few shapes that this reads; a server would send it as JSON.
DRIVER OPTION… is the executor: its verbs gitlab-config, prepare, run and cleanup are the four hooks. Prints each step with
its duration, the job's log and, at the end, a line `job succeeded` or `job failed`, which the exit status repeats (0 or 1).

What a hook is given is what the runner gives it: /dev/null as input, two pipes, a process group of its own, the job's
temporary directory as working directory, and the environment of run_environment(). Standard error is the job's log.
"""

import argparse
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

BUILD_FAILURE, SYSTEM_FAILURE = 1, 2
GRACEFUL_KILL_SECONDS, PREPARE_ROUNDS, RETRY_SECONDS = 60, 3, 3


class BuildFailure(Exception):
    """The job's fault: GitLab's script_failure."""


class SystemFailure(Exception):
    """The host's or the driver's: runner_system_failure."""


def read_job(path, name):
    """The job `name`: mappings of strings and lists of strings, two spaces a level. Anything else is an error."""
    job, inside, key = {}, False, None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.strip().startswith("#"):
            continue
        if not line.startswith(" "):
            inside = line == f"{name}:"
        elif not inside:
            continue
        elif match := re.fullmatch(r"  (\w+):(?: (.*))?", line):
            key = match[1]
            job[key] = unquoted(match[2]) if match[2] else None
        elif match := re.fullmatch(r"    - (.*)", line):
            job[key] = (job[key] or []) + [unquoted(match[1], whole=True)]
        elif match := re.fullmatch(r"    (\w+): (.*)", line):
            job[key] = (job[key] or {}) | {match[1]: unquoted(match[2])}
        else:
            raise SystemExit(f"{path}:{number}: not understood: {line}")
    if not job:
        raise SystemExit(f"{path}: no job {name}")
    return job


def unquoted(text, whole=False):
    """A double-quoted YAML string is one of JSON here; other text stands for itself."""
    return json.loads(text) if text.startswith('"') and text.endswith('"') and not whole else text


class Job:
    def __init__(self, options):
        self.options, self.driver = options, options.driver
        definition = read_job(pathlib.Path(options.repository, ".gitlab-ci.yml"), options.job)
        self.image, self.script = definition.get("image", ""), definition.get("script", [])
        self.after_script = definition.get("after_script", [])
        self.id = random.randrange(10**6, 10**9)
        self.commit = output("git", "-C", options.repository, "rev-parse", "HEAD")
        self.branch = output("git", "-C", options.repository, "symbolic-ref", "--short", "HEAD")
        self.directory, self.job_env, self.driver_info = None, {}, {}
        self.builds_directory = self.cache_directory = ""
        self.status, self.current, self.process = "running", None, None
        self.variables = {
            "CI": "true", "GITLAB_CI": "true", "CI_SERVER": "yes", "CI_SHARED_ENVIRONMENT": "true",
            "CI_JOB_ID": str(self.id), "CI_JOB_NAME": options.job, "CI_JOB_STAGE": "test", "CI_JOB_IMAGE": self.image,
            "CI_COMMIT_SHA": self.commit, "CI_COMMIT_REF_NAME": self.branch, "CI_REPOSITORY_URL": options.url,
            "CI_PROJECT_ID": "1", "CI_PROJECT_NAME": "demo", "CI_PROJECT_PATH": "group/demo", "CI_CONCURRENT_ID": "0",
            "CI_CONCURRENT_PROJECT_ID": "0", "CI_RUNNER_SHORT_TOKEN": "stand-in", "CI_JOB_TIMEOUT": "3600",
            "CI_RUNNER_VERSION": "19.4.0", "CI_JOB_SERVICES": "",
        } | (definition.get("variables") or {}) | dict(v.split("=", 1) for v in options.variable)

    # The environment and the files of a hook.

    def run_environment(self):
        directory = str(self.directory)
        environment = dict(os.environ)
        environment |= {
            "TMPDIR": directory,
            "BUILD_FAILURE_EXIT_CODE": str(BUILD_FAILURE),
            "SYSTEM_FAILURE_EXIT_CODE": str(SYSTEM_FAILURE),
            "BUILD_EXIT_CODE_FILE": directory + "/build_exit_code",
            "JOB_RESPONSE_FILE": directory + "/response.json",
        }
        environment |= self.job_env
        return environment | {f"CUSTOM_ENV_{key}": value for key, value in self.all_variables().items()}

    def all_variables(self):
        return self.variables | {
            "CI_BUILDS_DIR": self.builds_directory,
            "CI_PROJECT_DIR": self.project_directory(),
            "CI_JOB_STATUS": self.status,
        }

    def project_directory(self):
        return self.builds_directory and f"{self.builds_directory}/group/demo"

    def write_response(self):
        steps = [{"name": "script", "script": self.script, "timeout": 3600, "when": "on_success"}]
        if self.after_script:
            steps.append({"name": "after_script", "script": self.after_script, "timeout": 3600, "when": "always"})
        response = {
            "id": self.id,
            "token": "stand-in",
            "job_info": {"id": self.id, "name": self.options.job, "stage": "test", "project_id": 1,
                         "project_name": "demo", "project_full_path": "group/demo"},
            "git_info": {"repo_url": self.options.url, "ref": self.branch, "sha": self.commit, "ref_type": "branch",
                         "refspecs": [self.refspec()], "depth": 20},
            "runner_info": {"timeout": 3600},
            "variables": [{"key": k, "value": v, "public": True} for k, v in self.variables.items()],
            "steps": steps,
            "image": {"name": self.image},
            "services": [],
        }
        path = self.directory / "response.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(response))

    def refspec(self):
        return f"+refs/heads/{self.branch}:refs/remotes/origin/{self.branch}"

    # Hooks.

    def call(self, title, arguments, read_output=False):
        """Starts one hook and waits for its end and for that of everyone who holds its pipes, as the runner does."""
        started = time.monotonic()
        say(f"--- {title}")
        collected = []
        self.process = subprocess.Popen(
            [*self.driver, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            cwd=self.directory, env=self.run_environment(), preexec_fn=os.setpgrp)
        readers = [
            threading.Thread(target=copy, args=(self.process.stdout, collected if read_output else None)),
            threading.Thread(target=copy, args=(self.process.stderr, None)),
        ]
        for reader in readers:
            reader.start()
        try:
            status = self.process.wait()
            for reader in readers:
                reader.join()
        except KeyboardInterrupt:
            self.stop(readers)
            raise
        finally:
            self.process = None
        say(f"--- {title}: {(time.monotonic() - started) * 1000:.0f} ms, exit status {status}")
        self.judge(title, status)
        return b"".join(collected)

    def stop(self, readers):
        for signal_number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, signal_number)
                self.process.wait(GRACEFUL_KILL_SECONDS)
                for reader in readers:
                    reader.join(GRACEFUL_KILL_SECONDS)
                return
            except subprocess.TimeoutExpired:
                continue
            except ProcessLookupError:
                return

    def judge(self, title, status):
        if status == 0:
            return
        if status != BUILD_FAILURE:
            raise SystemFailure(f"{title}: exit status {status}")
        file = self.directory / "build_exit_code"
        if not file.exists():
            raise BuildFailure(f"{title}: exit code 1")
        first_line = file.read_text().split("\n")[0].removesuffix("\r")
        if not re.fullmatch(r"[+-]?[0-9]+", first_line):
            raise SystemFailure(f"{title}: BUILD_EXIT_CODE_FILE says {first_line!r}, which is no number")
        raise BuildFailure(f"{title}: exit code {first_line}")

    def configure(self):
        text = self.call("gitlab-config", ["gitlab-config"], read_output=True)
        configuration = json.loads(text) if text else {}
        self.builds_directory = configuration.get("builds_dir", "")
        self.cache_directory = configuration.get("cache_dir", "")
        self.job_env = configuration.get("job_env", {})
        self.driver_info = configuration.get("driver", {})
        if configuration.get("shell", "bash") != "bash":
            raise SystemFailure(f"this stand-in writes scripts for bash, not {configuration['shell']}")
        if not self.builds_directory or not self.cache_directory:
            raise BuildFailure("the builds_dir or cache_dir is not configured")
        say(f"Using Custom executor with driver {self.driver_info.get('name')} {self.driver_info.get('version')}...")

    def stage(self, name, commands):
        directory = pathlib.Path(tempfile.mkdtemp(prefix="script", dir=self.directory))
        script = directory / "script"
        script.write_text(self.script_text(name, commands))
        script.chmod(0o700)
        self.call(name, ["run", str(script), name])

    def script_text(self, name, commands):
        lines = []
        if name != "prepare_script":
            lines += [f"export {key}={quoted(value)}" for key, value in self.all_variables().items()]
        if name not in ("prepare_script", "get_sources"):
            lines.append(f"cd {quoted(self.project_directory())}")
        body = "\n".join(lines + commands) + "\n"
        return ("#!/usr/bin/env bash\n\ntrap 'exit 1' TERM\n\n"
                "if set -o | grep pipefail > /dev/null; then set -o pipefail; fi; set -o errexit\nset +o noclobber\n"
                f"(trap 'exit 1' TERM; eval {quoted(body)}) < /dev/null\nexit 0\n")

    # The job.

    def run(self):
        try:
            self.prepare_in_rounds()
            self.run_stages()
            self.status = "success"
        except (BuildFailure, SystemFailure) as failure:
            self.status = "failed"
            kind = "script_failure" if isinstance(failure, BuildFailure) else "runner_system_failure"
            say(f"ERROR: {kind}: {failure}")
        except KeyboardInterrupt:
            self.status = "canceled"
        finally:
            self.clean_up()
        say("job succeeded" if self.status == "success" else f"job {self.status}")
        return 0 if self.status == "success" else 1

    def prepare_in_rounds(self):
        for round_number in range(1, PREPARE_ROUNDS + 1):
            self.directory = pathlib.Path(tempfile.mkdtemp(prefix="custom-executor"))
            self.job_env = {}
            self.write_response()
            try:
                self.configure()
                self.call("prepare", ["prepare"])
                return
            except SystemFailure as failure:
                if round_number == PREPARE_ROUNDS:
                    raise
                say(f"ERROR: {failure}; will be tried again in {RETRY_SECONDS} s")
                self.clean_up()
                time.sleep(RETRY_SECONDS)

    def run_stages(self):
        self.stage("prepare_script", ['echo "Running on $(hostname)..."'])
        project = quoted(self.project_directory())
        failures = []
        try:
            self.stage("get_sources", [
                f"rm -rf {project}.tmp && mkdir -p {project}.tmp",
                f"git -c init.defaultBranch=main init --quiet {project}",
                f"cd {project}",
                f"git remote add origin {quoted(self.options.url)}",
                f"git -c protocol.version=2 fetch --quiet --depth 20 origin {quoted(self.refspec())}",
                f"git checkout --quiet --force {self.commit}",
                f"git clean --quiet -ffdx && echo Checking out {self.commit[:8]} as {quoted(self.branch)}...",
            ])
            self.user_stages(failures)
        except (BuildFailure, SystemFailure) as failure:
            failures.append(failure)
        try:
            self.stage("cleanup_file_variables", [f"rm -rf {project}.tmp"])
        except (BuildFailure, SystemFailure) as failure:
            # The runner makes this a line in the log; a demonstration should not pass over it.
            failures.append(failure)
        if failures:
            raise failures[0]

    def user_stages(self, failures):
        try:
            self.stage("build_script", [line for command in self.script for line in echoed(command)])
            self.status = "success"
        except (BuildFailure, SystemFailure) as failure:
            self.status = "failed"
            failures.append(failure)
        if self.after_script:
            try:
                self.stage("after_script", [line for command in self.after_script for line in echoed(command)])
            except (BuildFailure, SystemFailure) as failure:
                if self.variables.get("AFTER_SCRIPT_IGNORE_ERRORS") == "false":
                    failures.append(failure)

    def clean_up(self):
        if self.directory is None:
            return
        try:
            self.call("cleanup", ["cleanup"])
        except (BuildFailure, SystemFailure) as failure:
            say(f"WARNING: Cleanup script failed: {failure}")
            self.status = "failed"
        shutil.rmtree(self.directory)
        self.directory = None


def quoted(text):
    """Bash's $'…', with every byte that is not ASCII as \\xNN."""
    escapes = {0x27: "\\'", 0x5C: "\\\\", 0x0A: "\\n", 0x0D: "\\r", 0x09: "\\t"}
    return "$'" + "".join(
        escapes.get(byte) or (chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}") for byte in text.encode()) + "'"


def echoed(command):
    return [f"echo {quoted('$ ' + command)}", command]


def copy(pipe, collected):
    for line in iter(pipe.readline, b""):
        if collected is not None:
            collected.append(line)
        write(line if line.endswith(b"\n") else line + b"\n")
    pipe.close()


output_lock = threading.Lock()


def write(line):
    with output_lock:
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()


def say(text):
    write(text.encode() + b"\n")


def output(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def interrupt(*_):
    raise KeyboardInterrupt


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repository", required=True)
    parser.add_argument("--url", required=True)
    parser.add_argument("--job", required=True)
    parser.add_argument("--variable", action="append", default=[])
    parser.add_argument("driver", nargs="+")
    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGINT, interrupt)
    return Job(parser.parse_args()).run()


sys.exit(main())
