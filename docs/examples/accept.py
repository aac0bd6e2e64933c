#!/usr/bin/env python3
# Copyright (c) 2026 Consent Gate contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Accept from a page of the application: see docs/apps.md.

    accept.py http://127.0.0.1:8081/consent ACCOUNT ADDRESS [PURPOSE ...]

Only the standard library. In an application the two functions are called by
two requests: the one that shows what is open, and the one that takes the form.
"""

import json
import sys
import time
import urllib.error
import urllib.request


class Refused(Exception):
    """The gate does not take the answer; `type` says why ("changed" ...)."""

    def __init__(self, problem):
        super().__init__(problem["detail"])
        self.type = problem["type"].rpartition(":")[2]


def call(url, account, address, body=None):
    request = urllib.request.Request(url, headers={
        "Accept": "application/json",
        "X-Account": account,           # who is signed in
        "X-Real-IP": address,           # the visitor's: their country
    })

    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")

    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        raise Refused(json.load(error)) from None


def what_is_open(base, account, address):
    """Show these documents, and put the token into the form."""
    state = call(base + "/state", account, address)
    shown = [d for d in state["documents"] if d["name"] in state["missing"]]

    return shown, state["purposes"], state["token"]


def accept(base, account, address, token, documents, purposes):
    """What was ticked. The same answer sent again changes nothing."""
    answer = {"token": token, "documents": documents, "purposes": purposes}

    for attempt in range(3):
        try:
            return call(base + "/accept", account, address, answer)
        except Refused as refused:
            if refused.type != "unavailable" or attempt == 2:
                raise
            time.sleep(1)

    return None


def main(base, account, address, *purposes):
    shown, _, token = what_is_open(base, account, address)

    for document in shown:
        print("open:", document["name"], document["version"])

    try:
        result = accept(base, account, address, token,
                        [d["name"] for d in shown], list(purposes))
    except Refused as refused:
        # "changed": get what is open now, and show the form again
        print("refused:", refused.type)
        return 1

    print(result["result"], "rev", result["rev"])
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
