"""What workflow jobs begin and end with: modules that take seconds to load, the log, the exit status."""

import atexit
import gc
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from genebert.errors import InputError


@contextmanager
def loading() -> Iterator[None]:
    """Load modules without Python's collector of cycles, and let it pass over them from then on.

    What is loaded stays, and the collector would look through all of it again and again: a quarter of what a job with
    torch, transformers and scikit-learn needs to start.
    """
    before, collects = len(sys.modules), gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if len(sys.modules) > before:
            gc.freeze()
            atexit.register(gc.unfreeze)  # or libraries find leaks at the end, and say so
        if collects:
            gc.enable()


@contextmanager
def logged(log: str | Path, mode: str = "w") -> Iterator[logging.Logger]:
    """Send the package's log lines to the file `log`, and end the job on bad input with one sentence.

    An :class:`~genebert.errors.InputError` becomes one line in the log and on standard error, and exit status 1. Any
    other exception is written to the log with its traceback and raised again.
    """
    try:
        Path(log).parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(log, mode=mode)
    except OSError as error:
        print(f"error: {log}: cannot be written ({error.strerror}); expected a log of the job", file=sys.stderr)
        sys.exit(1)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
    logger = logging.getLogger("genebert")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    logging.captureWarnings(True)
    logging.getLogger("py.warnings").addHandler(handler)
    try:
        yield logger
    except InputError as error:
        logger.error("error: %s", error)  # `genebert status` knows a failed job by it
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except Exception:
        logger.exception("error: unexpected")
        raise
    finally:
        logger.removeHandler(handler)
        logging.getLogger("py.warnings").removeHandler(handler)
        handler.close()
