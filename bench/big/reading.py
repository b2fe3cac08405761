#!/usr/bin/env python3
"""Reading one run, and a page of runs a hundred pages deep, on two stacks in turn: ten thousand
runs in the tables, and ten million (big.sh makes them).

    reading.py ENVIRONMENT-OF-SMALL ENVIRONMENT-OF-BIG"""
import os
import sys

from client import Api, median, row, wrk

PAIRS, SECONDS, DEPTH = int(os.environ.get("BIG_PAIRS", "5")), 4, 100


class Stack:
    def __init__(self, path):
        with open(path, encoding="utf-8") as f:
            self.env = dict(line.rstrip("\n").split("=", 1) for line in f)
        api = Api(self.env)
        cursor = ""
        for _ in range(DEPTH):
            page = api.call("GET", f"/api/v1/runs?limit=50{cursor}")
            cursor = "&cursor=" + page["next_cursor"]
        self.paths = {"GET /runs/{id}": f"/api/v1/runs/{page['items'][0]['id']}",
                      "GET /runs?limit=50&cursor=…": f"/api/v1/runs?limit=50{cursor}"}

    def rate(self, what):
        return wrk(self.paths[what], SECONDS, "-H", "Authorization: Bearer " + self.env["MILLRACE_KEY"], **self.env)


def main():
    stacks = [Stack(path) for path in sys.argv[1:3]]
    for number, what in enumerate(stacks[0].paths, 8):
        for stack in stacks:
            stack.rate(what) # caches
        pairs = []
        for n in range(PAIRS):
            turn = [stack.rate(what) for stack in (stacks if n % 2 == 0 else stacks[::-1])]
            pairs.append(turn if n % 2 == 0 else turn[::-1])
            print(f"  {what}: {pairs[-1][0]:,.0f}/s of ten thousand, {pairs[-1][1]:,.0f}/s of ten million", flush=True)
        small, big = (median(side) for side in zip(*pairs))
        row(f"{number}-big", f"`{what}` with {int(os.environ['BIG_RUNS']):,} runs in the tables, in turn with 10,000",
            f"{big:,.0f}/s, {median([b / a for a, b in pairs]):.2f} of the {small:,.0f}/s (median of {PAIRS} pairs)", "≥ 0.9")


if __name__ == "__main__":
    main()
