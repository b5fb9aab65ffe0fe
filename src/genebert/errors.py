"""The one exception that users are meant to read."""


class InputError(ValueError):
    """Input that the user can correct.

    The message is one sentence: the file, key or line, what was found, and what was expected. Workflow scripts and
    the command line print it without a traceback and exit with status 1.
    """
