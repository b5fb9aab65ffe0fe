"""The configuration file, its JSON Schema and its reference page, from the classes of settings."""

import json

from genebert.methods.registry import METHODS
from genebert.run.config import config_class
from genebert.settings.fields import Block
from genebert.settings.reference import to_markdown, to_schema, to_yaml

HEAD = """\
# The paper's scale, and the default: every key with its meaning. Overlays (`snakemake --configfile config/demo.yaml`)
# change sizes and sources only. This file is written from the classes of settings (`genebert config`), which check
# every key before anything runs: unknown keys stop the run. Ranges of all keys: docs/configuration.md.
# "paper" below is GeneBERT, arXiv 2110.05231. Paths are relative to the folder Snakemake runs in; `{data}` in a path
# stands for the key `data`. Paths under resources/{source}/ with a source of config/sources.tsv are downloaded,
# those under resources/simulated/ are simulated, all others must exist.
"""
INTRODUCTION = """\
# Configuration

Every key of `config/config.yaml`: what it may be, its default, its meaning. Written from the classes that check them
(`genebert config --reference`); `genebert config --schema` prints the same as JSON Schema, for editors. An overlay
(`snakemake --configfile mine.yaml`) lists only what differs: blocks are merged, all else is replaced. NAME stands for a
name of your choice; `NAME: null` removes its entry.
"""


def config_file() -> str:
    """Return ``config/config.yaml``."""
    return f"{HEAD}\n{to_yaml(config_class())}"


def reference_page() -> str:
    """Return ``docs/configuration.md``."""
    methods: dict[type[Block], list[str]] = {}
    for name, entry in METHODS.items():
        if entry.settings:
            methods.setdefault(entry.settings, []).append(name)
    further = {f"methods.{', methods.'.join(names)}": settings for settings, names in methods.items()}
    return f"{INTRODUCTION}\n{to_markdown(config_class(), further)}"


def schema() -> str:
    """Return the JSON Schema."""
    about = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "configuration"}
    return json.dumps(about | to_schema(config_class()), indent=2) + "\n"
