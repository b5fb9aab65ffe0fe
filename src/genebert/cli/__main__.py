"""`python -m genebert.cli` is the command `genebert`."""

import sys

from genebert.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
