"""What a run adds to schemathesis: people, addresses, things that there are, and a count of the answers.

Limits count by the address that a request comes from, and the server believes its proxy, which is this run: every request
comes through it from another address. Identifiers that were seen in answers take the place of invented ones in most
paths, so that more is asked about than what is not there. Operators ask for everything but what is for developers, and what wants
a session.
"""

import atexit
import itertools
import json
import os
import re
import threading
import zlib
from collections import Counter, defaultdict

import schemathesis

TALLY = os.environ["MINTREU_TALLY"]
with open(os.environ["MINTREU_FURNISHED"]) as file:
    PEOPLE = json.load(file)
IDENTIFIER = re.compile(r"\b([a-z]{2,6})_[0-7][0-9a-hjkmnp-tv-z]{25}\b")
MOST_OF_A_KIND = 50

numbers = itertools.count(1)
matches = itertools.count(1)
known = defaultdict(list)
for identifier in PEOPLE["seen"]:
    known[identifier.split("_")[0]].append(identifier)
tally = defaultdict(Counter)
lock = threading.Lock()


@schemathesis.hook
def map_path_parameters(ctx, path_parameters):
    for name, value in (path_parameters or {}).items():
        found = IDENTIFIER.fullmatch(value) if isinstance(value, str) else None
        if found:
            with lock:
                pool = known[found.group(1)]
                chosen = zlib.crc32(value.encode())
                if pool and chosen % 4 != 0:
                    path_parameters[name] = pool[chosen // 4 % len(pool)]
    return path_parameters


@schemathesis.hook
def before_call(ctx, case, kwargs):
    a, b, c = next(numbers).to_bytes(3, "big")
    for name, value in (case.path_parameters or {}).items():
        # Whoever is signed out, or loses the role, asks nothing more: another account stands for those that ask.
        if value in PEOPLE["own"]:
            case.path_parameters[name] = PEOPLE["other"]
    if "If-Match" in case.headers and next(matches) % 4 != 0:
        case.headers["If-Match"] = '"1"'
    if case.path.startswith("/api/account/") and "sessions/{" not in case.path:
        case.headers["Cookie"] = PEOPLE["session"]
    else:
        who = "vendor" if case.path.startswith("/api/developer/") else "operator"
        case.headers["Authorization"] = f"Bearer {PEOPLE[who]}"
    case.headers["X-Forwarded-For"] = f"100.{a}.{b}.{c}"


@schemathesis.hook
def after_call(ctx, case, response):
    with lock:
        tally[case.operation.label][str(response.status_code)] += 1
        if response.status_code < 300:
            for found in IDENTIFIER.finditer(response.content[:100_000].decode(errors="replace")):
                pool = known[found.group(1)]
                if found.group() not in pool and len(pool) < MOST_OF_A_KIND:
                    pool.append(found.group())
        if sum(tally[case.operation.label].values()) % 20 == 1:
            write()


def write():
    with open(f"{TALLY}.new", "w") as file:
        json.dump(tally, file)
    os.replace(f"{TALLY}.new", TALLY)


atexit.register(write)
