"""The paper's tables with our values beside them, from score files and nothing else.

One table is one file of reported values, ``config/paper/table{n}.tsv``; :func:`render_table` writes it in every form.
"""

from genebert.tables.paper import read_paper
from genebert.tables.render import Table, render_table

__all__ = ["Table", "read_paper", "render_table"]
