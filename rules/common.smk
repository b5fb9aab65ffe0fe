"""What all rules share; look-ups are methods of the run, nothing heavy: every cluster job parses this again."""


wildcard_constraints:
    model="|".join(map(re.escape, set(RUN.models.canonical.values()))),
    method="|".join(map(re.escape, [*baselines(), *RUN.models.names])),
    task="|".join(RUN.tasks),
    dataset="[^/]+",
    number=r"\d",


def growing(rule):
    """Memory and time; both grow with the attempt, so that a retry after a job was killed for them can succeed."""

    def times(amount):
        return lambda wildcards, attempt: amount * attempt

    asked = RUN.resources.of(rule)
    return {"mem_mb": times(asked["mem_mb"]), "runtime": times(asked["runtime"])}


def threads_of(rule):
    """Threads of a rule."""
    return RUN.resources.of(rule)["threads"]


def layout_of_processes():
    """Processes and nodes of pre-training; with several nodes SLURM starts one task on each, and that `torchrun`."""
    asked = RUN.resources.of("pretrain")
    nodes = asked["nodes"]
    return {"processes": asked["processes"]} | ({"mpi": "srun", "nodes": nodes, "tasks": nodes} if nodes > 1 else {})


def shown(path, category, labels, caption, suffixes=("svg", "png")):
    """A file in all its forms, with its entry in Snakemake's report."""
    about = {"caption": f"../workflow/report/{caption}.rst", "category": category}
    return [report(f"{path}.{form}", labels={**labels, "format": form}, **about) for form in suffixes]
