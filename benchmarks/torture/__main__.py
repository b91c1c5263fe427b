"""Torture the set-ups: python -m benchmarks.torture [--quick]."""
import argparse, json, sys, tempfile
from pathlib import Path
from .databases import database
from .run import Plan, run
from .setups import SETUPS

parser = argparse.ArgumentParser()
parser.add_argument("--tokens", type=int, default=2000)
parser.add_argument("--rate", type=float, default=1e9)
parser.add_argument("--http", action="store_true")
parser.add_argument("--setup"); parser.add_argument("--fault")
a = parser.parse_args()
with tempfile.TemporaryDirectory() as f, database(Path(f)) as db:
    for setup in SETUPS:
        for fault in setup.faults:
            if (a.setup or setup.name) == setup.name and (a.fault or fault) == fault:
                print(json.dumps(run(setup, fault, db, Path(f), Plan(a.tokens, a.rate, a.http))), flush=True)
