#!/usr/bin/env python3
"""One condition, evaluated again and again: see expr_bench.c."""
import subprocess

from client import BUILD, row


def main():
    ns = subprocess.run([BUILD / "bench/expr_bench"], check=True, capture_output=True, text=True).stdout.split()[-1]
    row("18-expr", '`steps.a.n > 10 && trigger.kind == "x"`, compiled, one evaluation', f"{ns} ns", "≤ 300 ns")


if __name__ == "__main__":
    main()
