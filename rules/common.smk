"""What all rules share; look-ups are methods of the run, nothing heavy: every cluster job parses this again.

Rules that take seconds, or only wait for a server, are local: they run where Snakemake does. Of the others those with
many small jobs are grouped; how many go together is the profile's to say (`group-components`, slurm/config.yaml).
"""

import math


wildcard_constraints:
    model="|".join(map(re.escape, set(RUN.models.canonical.values()))),
    method="|".join(map(re.escape, [*baselines(), *RUN.models.names])),
    task="|".join(RUN.tasks),
    dataset="[^/]+",
    table="|".join(RUN.rows),
    form="|".join(get_args(Matrix)),


def growing(rule):
    """Memory and time; both grow with the attempt, so that a retry after a job was killed for them can succeed.

    Memory is a fixed part and one for each MB of input, where files say how much is read. A retry of pre-training goes
    on from its checkpoint: it gets more memory, and the time that the site's limits were asked for.
    """
    asked = RUN.resources.of(rule)

    def mem_mb(wildcards, input, attempt):
        # Sizes are looked up only where they count: inputs that do not exist yet leave the memory open until they do.
        read = asked["mem_per_input"] * input.size_mb if asked["mem_per_input"] else 0
        return math.ceil((asked["mem_mb"] + read) * attempt)

    def runtime(wildcards, attempt):
        return asked["runtime"] * attempt

    return {"mem_mb": mem_mb, "runtime": asked["runtime"] if rule == "pretrain" else runtime}


def threads_of(rule):
    """Threads of a rule."""
    return RUN.resources.of(rule)["threads"]


def layout_of_processes():
    """Processes, GPUs and nodes of pre-training; with several nodes SLURM starts a task on each, and that `torchrun`."""
    asked = RUN.resources.of("pretrain")
    nodes, gpu = asked["nodes"], asked["gpu"]
    if nodes == 1:
        return {"processes": asked["processes"], "gpu": gpu}
    # `gpu` would be of all nodes together, shared out as SLURM likes; and the plugin would take `tasks` for those of
    # each GPU if nothing else were said.
    gpus = {"gres": f"gpu:{gpu}", "tasks_per_gpu": 0} if gpu else {}
    return {"processes": asked["processes"], "mpi": "srun", "nodes": nodes, "tasks": nodes, **gpus}


def paper_of(wildcards):
    """Return the paper's values of a table: a file of the checkout, wherever results lie."""
    return local(RUN.paper_file(wildcards))


def shown(path, category, labels, caption, suffixes=("svg", "png")):
    """A file in all its forms, with its entry in Snakemake's report."""
    about = {"caption": f"../workflow/report/{caption}.rst", "category": category}
    return [report(f"{path}.{form}", labels={**labels, "format": form}, **about) for form in suffixes]
