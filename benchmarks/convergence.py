"""Does the accuracy of the solver matter? Each policy is trained with one solver and tested with every one.

    python benchmarks/convergence.py [--cells ltc ctrnn] [--seeds 0 1 … 9] [--processes 2] [--quick]

The pendulum with hidden velocities, with settings and sizes of `robustness.py`. "fused 1" is the semi-implicit step of
the LTC paper, once for each control step; "rk4 4" stands for the exact solution in training (the entry "error" says
how near it comes). Tests also take explicit Euler, which runs away where a time constant is shorter than its step. A
row's "disturbed" is the return with each solver of the test, "error" the largest difference in the states to those of
dopri5 over 100 steps of the same observations, null where they run away (for every solver where the policy's own one
does). A training that runs away has a return of 0. A solver with which a cell does not learn counts where the
hypothesis asks whether all solvers do equally well; it is left out where it asks what another solver costs.

Time: half a minute to two minutes a run on one core.
"""

from __future__ import annotations

from dataclasses import asdict

import torch
from _disturbed import TASKS, acted, actor_parameters, kept, play
from _report import Table, cli, column, run_all, select
from robustness import config_of

from course_lib.errors import NonFiniteError
from course_lib.evaluation.statistics import summarize

NAME, TASK = "convergence", "pendulum"
CELLS = ("ltc", "ctrnn")
SOLVERS = {
    "fused 1": dict(solver="fused", substeps=1),
    "fused 4": dict(solver="fused", substeps=4),
    "rk4 1": dict(solver="rk4", substeps=1),
    "rk4 4": dict(solver="rk4", substeps=4),
}
EXACT = dict(solver="dopri5", substeps=1)
TESTED = {**SOLVERS, "euler 4": dict(solver="euler", substeps=4), "dopri5": EXACT}


def config_with(cell: str, solver: str, seed: int = 0):
    config = config_of(TASK, cell, seed=seed)
    whole = asdict(config.cell)
    return config_of(TASK, cell, seed=seed, cell=whole | dict(options=whole["options"] | SOLVERS[solver]))


def play_on(policy) -> float:
    """The return; 0 where the solver runs away, which ends the control of a robot."""
    try:
        return play(policy, TASK, "one rate")
    except NonFiniteError:
        return 0.0


def use(policy, options: dict) -> None:
    policy.cell.solver, policy.cell.substeps = options["solver"], options["substeps"]


@torch.no_grad()
def errors(policy, observations: torch.Tensor) -> dict[str, float]:
    """Solver -> largest difference in the states to those of dopri5; NaN where it runs away."""
    x = policy.encoder(observations)

    def states(options: dict) -> torch.Tensor:
        use(policy, options)
        try:
            return policy.cell.sequence(x, policy.cell.initial_state(x.shape[1]))
        except NonFiniteError:  # it has run away
            return torch.full((), torch.nan)

    exact = states(EXACT)
    return {name: float(f"{(states(options) - exact).abs().max():.3g}") for name, options in SOLVERS.items()}


@torch.no_grad()
def observed(policy, steps: int = 100) -> torch.Tensor:
    """What the policy sees, normalised: (steps, 4, obs)."""
    seen = [observation for observation, _ in acted(policy, TASK, 4, steps)]
    return torch.stack([policy.normalizer(torch.as_tensor(x, dtype=torch.float32)) for x in seen])


def one_run(args, cell: str, solver: str, seed: int) -> dict:
    config, steps = config_with(cell, solver, seed), args.steps or TASKS[TASK]["steps"]
    said = dict(cell=cell, policy=solver, seed=seed)
    try:
        trained, seconds = kept(NAME, f"{cell}_{solver.replace(' ', '_')}_{seed}", TASK, config, "one rate", steps)
    except NonFiniteError:  # the solver ran away in training, which ended it
        nothing = dict.fromkeys(TESTED, 0.0)
        return said | {"return": 0.0, "train_seconds": 0.0, "disturbed": nothing, "error": None, "ran_away": True}
    found = {}
    for name, options in TESTED.items():
        use(trained, options)
        found[name] = play_on(trained)
    use(trained, SOLVERS[solver])
    try:
        error = errors(trained, observed(trained))
    except NonFiniteError:  # training saw no state run away; these episodes do
        error = None
    return said | {
        "return": found[solver],
        "train_seconds": seconds,
        "disturbed": found,
        "error": error,
        "parameters": actor_parameters(trained),
        "ran_away": False,
    }


def report(rows: list[dict]) -> list:
    tables = []
    for cell in CELLS:
        if mine := select(rows, cell=cell):
            table = Table(
                f"{cell}, trained with", "seeds", "seconds", *(f"tested {name}" for name in mine[0]["disturbed"])
            )
            for solver in SOLVERS:
                if runs := select(mine, policy=solver):
                    returns = [summarize([row["disturbed"][name] for row in runs]) for name in runs[0]["disturbed"]]
                    seconds = sum(column(runs, "train_seconds")) / len(runs)
                    table.add(solver, len(runs), seconds, *[f"{r.value:,.0f}" for r in returns])
            tables += [table, ""]
    return tables


if __name__ == "__main__":
    args = cli(
        NAME, __doc__, seeds=range(10), cells=CELLS, solvers=[*SOLVERS], fixed=dict(steps=0),
        quick=dict(seeds=1, steps=4_608),
    )  # fmt: skip
    run_all(
        args, one_run, [(c, s, seed) for seed in args.seeds for c in args.cells for s in args.solvers],
        key=("cell", "policy", "seed"),
        config={c: {s: asdict(config_with(c, s)) for s in SOLVERS} for c in CELLS}, part="cell", report=report,
        says="{return:,.0f}",
    )  # fmt: skip
