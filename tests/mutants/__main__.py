"""python -m tests.mutants: plant every error, run the checks, print the kill table. Exit code 1 if a mutant survives."""

from __future__ import annotations

import argparse
import sys

from tests.mutants import SUBJECTS
from tests.mutants.engine import Misplaced
from tests.mutants.report import PROOF, Row, killers, markdown, row, text, write


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    names = [subject.name for subject in SUBJECTS]
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("layer", nargs="*", metavar="layer", help=f"only these: {', '.join(names)}")
    parser.add_argument("--markdown", action="store_true", help="print the section that docs/proof.md holds")
    parser.add_argument("--write", action="store_true", help="put that section into docs/proof.md")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.layer if name not in names]:
        parser.error(f"there are no mutants of {', '.join(unknown)}; there are of {', '.join(names)}")
    if options.write and options.layer:
        parser.error("--write needs all mutants; leave the layers out")

    rows: list[Row] = []
    for subject in SUBJECTS:
        if not options.layer or subject.name in options.layer:
            print(f"{subject.name}: {len(subject.mutants)} mutants", file=sys.stderr)
            try:
                subject.hold(subject.real())
                rows += [row(subject, mutant, killers(subject.kills(mutant))) for mutant in subject.mutants]
            except Misplaced as error:
                print(error, file=sys.stderr)
                return 1
            except AssertionError as error:
                print(f"{subject.name} itself fails its checks, so they prove nothing about mutants:\n{error}", file=sys.stderr)
                return 1
    print(markdown(rows) if options.markdown else text(rows))
    survivors = [each for each in rows if each.survived]
    for each in survivors:
        print(f"SURVIVED: {each.subject.name}: {each.mutant.name}", file=sys.stderr)
    if options.write and not survivors:
        write(markdown(rows))
        print(f"written to {PROOF}", file=sys.stderr)
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
