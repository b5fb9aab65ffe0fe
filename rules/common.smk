"""What all rules share; look-ups are methods of the run, nothing heavy: every cluster job parses this again."""


wildcard_constraints:
    model="|".join(map(re.escape, set(RUN.models.canonical.values()))),
    method="|".join(map(re.escape, [*baselines(), *RUN.models.names])),
    task="|".join(RUN.tasks),
    dataset="[^/]+",


def growing(rule, key):
    """A resource that grows with the attempt, so that a retry after an out-of-memory or time-out kill can succeed."""

    def resource(wildcards, attempt):
        return RUN.resources.of(rule)[key] * attempt

    return resource


def threads_of(rule):
    """Threads of a rule."""
    return RUN.resources.of(rule)["threads"]


def layout_of_processes(rule):
    """How many processes on how many nodes; with several nodes SLURM starts one task on each, and that `torchrun`."""
    asked = RUN.resources.of(rule)
    nodes = asked["nodes"]
    return {"processes": asked["processes"]} | ({"mpi": "srun", "nodes": nodes, "tasks": nodes} if nodes > 1 else {})


def shown(path, category, labels, caption, suffixes=("svg", "png")):
    """A file in all its forms, with its entry in Snakemake's report."""
    about = [{"caption": caption, "category": category, "labels": {**labels, "format": form}} for form in suffixes]
    return [report(f"{path}.{form}", **entry) for form, entry in zip(suffixes, about, strict=True)]
