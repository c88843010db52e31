"""`make faults`: the whole campaign, which goes on where it was stopped."""

from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from tests.faults.campaign.attack import all_attacks
from tests.faults.campaign.run import Journal, run_cases

ATTACKS = all_attacks()
OUTPUT = Path("out/faults")


def main(
    names: Annotated[list[str] | None, typer.Argument(help=f"Of: {', '.join(ATTACKS)}.")] = None,
    cases: Annotated[int | None, typer.Option(help="Of each attack; else as it says.")] = None,
    case: Annotated[int | None, typer.Option(help="This one alone.")] = None,
    processes: Annotated[int, typer.Option(help="At once.")] = 2,
    output: Annotated[Path, typer.Option(help="What is kept.")] = OUTPUT,
) -> None:
    """Try to break textsr; end with status 1 where something was found."""
    for name in names or ():
        if name not in ATTACKS:
            raise typer.BadParameter(f"{name}: no such attack; choose from {', '.join(ATTACKS)}")
    journal = Journal(output)
    found = 0
    for attack in (ATTACKS[name] for name in names or ATTACKS):
        every = range(attack.cases if cases is None else cases)
        numbers = [case] if case is not None else every
        left = sorted(set(numbers) - (set() if case is not None else journal.held(attack.name)))
        here = 0
        outcomes = run_cases(attack, left, processes=processes, failures=output / "failures")
        for outcome in tqdm(
            outcomes, attack.name, total=len(numbers), initial=len(numbers) - len(left)
        ):
            journal.note(attack.name, outcome)
            if outcome.finding:
                here += 1
                last = outcome.finding.strip().splitlines()[-1]
                tqdm.write(f"{attack.name} {outcome.case}: {last[:300]}")
        found += here
        tqdm.write(f"{attack.name}: {len(numbers):,} cases, {here} findings")
    if found:
        tqdm.write(f"look at {output / 'failures'}; again: --case NUMBER ATTACK")
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
