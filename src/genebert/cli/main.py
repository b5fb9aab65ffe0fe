"""The command `genebert`."""

import argparse
import json
import os
import signal
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from genebert.errors import InputError
from genebert.joblog import loading
from genebert.report.text import text_table
from genebert.sources.registry import load_registry, select, state_of

if TYPE_CHECKING:
    from genebert.run.run import Run

PROJECT = Path(__file__).resolve().parents[3]


def _config_folder(given: Path | None) -> Path:
    """Return the folder of ``sources.tsv``: as given, of the working directory, or of the checkout of this file."""
    if given is not None:
        return given
    for folder in (Path("config"), PROJECT / "config"):
        if (folder / "sources.tsv").exists():
            return folder
    raise InputError("config/sources.tsv: not found; expected a checkout of the project as working directory, "
                     "or --folder with its folder `config`")  # fmt: skip


def _read_run(arguments: argparse.Namespace) -> "Run":
    from genebert.run.run import read_run
    from genebert.settings.load import read_settings

    return read_run(_config_folder(arguments.folder), arguments.configfile, read_settings(arguments.config))


def sources(arguments: argparse.Namespace) -> int:
    """Print what is there of the registered files; exit status 1 if a file is wrong."""
    registry = load_registry(_config_folder(arguments.folder))
    # The long list of peak files only when it is asked for.
    short = [source for source in registry.values() if source.set not in ("tfbs-506", "tfbs-690")]
    rows = []
    for source in select(registry, arguments.sets) if arguments.sets else short:
        state = state_of(source, arguments.resources)
        path = arguments.resources / source.name
        size = path.stat().st_size if path.is_file() else source.bytes
        rows.append({"name": source.name, "set": source.set, "access": source.access, "bytes": size, **asdict(state)})
    if arguments.json:
        print(json.dumps(rows, indent=2))
    else:
        lines = [("state", "size", "set", "file", "")]
        for row in rows:
            size = "" if row["bytes"] is None else f"{row['bytes'] / 1e6:.1f} MB"
            lines.append((row["state"], size, row["set"], row["name"], row["detail"]))
        counts = Counter(row["state"] for row in rows)
        print(*text_table(lines, "lrlll"), sep="\n")
        print(", ".join(f"{number} {state}" for state, number in sorted(counts.items())))
    return int(any(row["state"] == "wrong" for row in rows))


def budget(arguments: argparse.Namespace) -> int:
    """Print what the configured models cost."""
    # torch takes seconds to import; `genebert sources` does without.
    with loading():
        from genebert.cli.budget import make_budget, render

    run = _read_run(arguments)
    if arguments.plan:
        return _plan(run, arguments)
    if arguments.all:
        names = run.models.names
    else:
        names = run.shown_models(ablations=True) if arguments.tables else run.models.seeded(arguments.model)
    priced = make_budget(run, names, arguments.utilisation)
    print(json.dumps(priced, indent=2) if arguments.json else render(priced))
    return 0


def _plan(run: "Run", arguments: argparse.Namespace) -> int:
    from genebert.cli.budget import make_budget
    from genebert.cli.plan import make_plan, render_plan

    plan = make_plan(run, run.folder.parent, arguments.configfile, arguments.config)
    names = dict.fromkeys(name for target in plan["targets"] for name in target["pretrained"])
    priced = make_budget(run, list(names), arguments.utilisation)["models"]
    hours = {run.models.canonical[one["model"]]: one["gpu_hours"]["A100"] for one in priced}
    print(json.dumps(plan | {"a100_hours": hours}, indent=2) if arguments.json else render_plan(plan, hours))
    return 0


def doctor(arguments: argparse.Namespace) -> int:
    """Print whether this machine can run a configuration; exit status 1 if something is wrong."""
    from genebert.cli.doctor import examine_all, render_verdicts

    root = _config_folder(arguments.folder).absolute().parent
    verdicts = examine_all(lambda: _read_run(arguments), root)
    print(json.dumps([asdict(one) for one in verdicts], indent=2) if arguments.json else render_verdicts(verdicts))
    return int(any(one.state == "wrong" for one in verdicts))


def status(arguments: argparse.Namespace) -> int:
    """Print what stands of a run; exit status 1 if a job has failed."""
    from genebert.cli.status import as_dict, read_status, render_status, watch

    if arguments.watch:
        clear = "\x1b[H\x1b[2J" if sys.stdout.isatty() else ""
        try:
            state = watch(arguments.results, arguments.watch, lambda text: print(clear + text, flush=True))
        except KeyboardInterrupt:
            return 128 + signal.SIGINT
    else:
        state = read_status(arguments.results)
        print(json.dumps(as_dict(state), indent=2) if arguments.json else render_status(state))
    return int(any(job.state == "failed" for job in state.jobs))


def compare(arguments: argparse.Namespace) -> int:
    """Print whether rows of a run's tables differ."""
    from genebert.cli.compare import as_dicts, render_comparisons
    from genebert.cli.compare import compare as compare_rows

    found = compare_rows(arguments.results, arguments.row, arguments.others, arguments.labels)
    print(json.dumps(as_dicts(found, arguments.labels), indent=2) if arguments.json else render_comparisons(found))
    return 0


def config(arguments: argparse.Namespace) -> int:
    """Print the configuration file, its schema or its reference page."""
    from genebert.cli.config import config_file, reference_page, schema

    make = schema if arguments.schema else reference_page if arguments.reference else config_file
    print(make(), end="")
    return 0


def _seconds(text: str) -> float:
    """Return a number of seconds above 0, as argparse asks of a type."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"found {text}, expected a number of seconds above 0")
    return value


def main(argv: list[str] | None = None) -> int:
    """Run the command; bad input gives one sentence and exit status 1.

    Where its reader ends first (``genebert sources | head -1``), the command ends without a word, with the exit status
    that a shell gives to others then.
    """
    try:
        try:
            return _run(argv)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # What is left would be written when Python ends, and fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE


def _add_overlays(command: argparse.ArgumentParser) -> None:
    command.add_argument("--configfile", type=Path, nargs="+", default=[], metavar="FILE",
                         help="overlays, as for snakemake")  # fmt: skip
    command.add_argument("--config", nargs="+", default=[], metavar="KEY=VALUE",
                         help="settings, as for snakemake, e.g. data=FOLDER")  # fmt: skip
    command.add_argument("--folder", type=Path, help="folder of config.yaml and models.yaml (default: config)")


def _add_sources(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser(
        "sources",
        help="list the external files: there, missing, wrong, to be placed by hand",
        description="List the files of config/sources.tsv and what stands of them. Files with a known checksum are "
        "read whole. Exit status 1 if one is wrong. `snakemake retrieve` fetches them.",
    )
    command.add_argument("sets", nargs="*", metavar="SET", help="only these sets, e.g. paper (default: all but tfbs-*)")
    command.add_argument("--folder", type=Path, help="folder of sources.tsv and tfbs.tsv (default: config)")
    command.add_argument("--resources", type=Path, default=Path("resources"), help="default: resources")
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(run=sources)


def _add_budget(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser(
        "budget",
        help="price a configuration before it runs: tokens, operations, GPU-hours, disk",
        description="Price the pre-training of one model (default: genebert) or of many; models with equal settings "
        "count once. Samples are those of results/{run}/corpus if that exists, else the paper's.",
    )
    which = command.add_mutually_exclusive_group()
    which.add_argument("--model", default="genebert", metavar="NAME", help="a model of config/models.yaml")
    which.add_argument("--tables", action="store_true", help="all models of the configured tables")
    which.add_argument("--all", action="store_true", help="all models of config/models.yaml and of the config")
    which.add_argument("--plan", action="store_true",
                       help="in place of prices: jobs, submissions and hours of each target")  # fmt: skip
    _add_overlays(command)
    command.add_argument("--utilisation", type=float, default=0.4, metavar="SHARE",
                         help="share of the peak rate that training reaches (default: 0.4)")  # fmt: skip
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(run=budget)


def _add_config(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser(
        "config",
        help="print config.yaml, its JSON Schema or its reference page",
        description="Print what follows from the classes of settings: config/config.yaml with all defaults (default), "
        "its JSON Schema for editors, or docs/configuration.md.",
    )
    form = command.add_mutually_exclusive_group()
    form.add_argument("--schema", action="store_true", help="JSON Schema")
    form.add_argument("--reference", action="store_true", help="reference page, Markdown")
    command.set_defaults(run=config)


def _add_doctor(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser(
        "doctor",
        help="say whether this machine can run a configuration, with advice",
        description="Look at Python, packages, GPU, memory, disk, folders, SLURM, conda and sources, one verdict a "
        "line. Exit status 1 if one is wrong; notes are for reading.",
    )
    _add_overlays(command)
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(run=doctor)


def _add_status(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser(
        "status",
        help="say what of a run is done, at work, waiting and failed",
        description="Read the logs and benchmarks of a run, and Snakemake's own log. Exit status 1 if a job failed.",
    )
    command.add_argument("results", type=Path, metavar="results/RUN", help="folder of the run's results")
    how = command.add_mutually_exclusive_group()
    how.add_argument("--watch", type=_seconds, nargs="?", const=5.0, metavar="SECONDS",
                     help="again every 5 seconds, or as many, until Snakemake has ended")  # fmt: skip
    how.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(run=status)


def _add_compare(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser(
        "compare",
        help="say whether rows of a run's tables differ, with intervals",
        description="Compare a model or baseline with others, each on every data set with scores of both. A difference "
        "is called one only where its whole interval lies on one side of 0: over seeds, pre-trainings and test "
        "examples (docs/report.md).",
    )
    command.add_argument("results", type=Path, metavar="results/RUN", help="folder of the run's results")
    command.add_argument("row", metavar="ROW", help="a model or baseline of the tables")
    command.add_argument("others", nargs="+", metavar="OTHER", help="those that it is compared with")
    command.add_argument("--labels", type=int, metavar="N", help="of the learning curves, with N training examples")
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(run=compare)


def _run(argv: list[str] | None) -> int:
    parser = argparse.ArgumentParser(prog="genebert", description="GeneBERT: what is there, and what it costs.")
    commands = parser.add_subparsers(dest="command", required=True)
    for add in (_add_sources, _add_budget, _add_config, _add_doctor, _add_status, _add_compare):
        add(commands)
    arguments = parser.parse_args(argv)
    try:
        return arguments.run(arguments)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
