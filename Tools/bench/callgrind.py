"""Counting a server's instructions in user space, for those of the measurements that need no clock."""

import collections
import re
import subprocess

import measuring
from measuring import Server

# Under callgrind every run takes longer than the limit, and long enough to have its batches tuned; what is counted is the
# way of a model that is quick.
OPTIONS = ["--event-loops", "1", "--inline-run-limit", "10s", "--no-batch-tuning"]


def loads(server, cell):
    """Something that sends the cell's requests (tensor bytes, connections, calls in flight, requests), after the first of
    them was checked."""
    size, connections, streams, requests = cell
    message = measuring.identity_request(size)
    body = measuring.write_body(message)
    answer_bytes = measuring.checked_answer(server, message)
    return lambda: measuring.load(server, measuring.INFER, body, answer_bytes, connections, streams, requests)


def costs(program, repository, cell, options=OPTIONS):
    """Instructions of the cell's requests by (function, file that holds it), after as many that warm up."""
    profile = measuring.SCRATCH / "callgrind.out"
    profile.unlink(missing_ok=True)
    # Debian 12's valgrind gives up at Swift's debug information; names of functions are all that is needed.
    stripped = measuring.SCRATCH / "apus"
    subprocess.run(["strip", "--strip-debug", "-o", stripped, program], check=True)
    served = measuring.apus(stripped, repository, options)
    command = lambda port: [
        "env", f"LD_PRELOAD={measuring.preloaded('sigsuspend')}", "valgrind", "--tool=callgrind", "--instr-atstart=no",
        f"--callgrind-out-file={profile}", *served(port)]
    with Server("apus-callgrind", command, "0") as server:
        send = loads(server, cell)
        send()
        for state in "on", "off":
            subprocess.run(["callgrind_control", "-i", state, str(server.process.pid)], check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if state == "on":
                send()
    report = subprocess.run(
        ["callgrind_annotate", "--threshold=100", "--auto=no", profile], check=True, stdout=subprocess.PIPE, text=True)
    found = collections.Counter()
    # 1,234 ( 5.67%)  source.c:function [/usr/lib/library.so]
    for line in report.stdout.splitlines():
        if row := re.match(r"\s*([\d,]+) \([\s\d.]+%\)\s+[^:]*:(.+?)(?: \[(.*)\])?$", line):
            found[row[2], row[3] or ""] += int(row[1].replace(",", ""))
    return found
