"""The one exception that users are meant to read."""

LONGEST = 1000  # letters of a line; what files hold may be anything


class InputError(ValueError):
    """Input that the user can correct.

    The message is one sentence: the file, key or line, what was found, and what was expected. Workflow scripts and
    the command line print it without a traceback and exit with status 1. Characters that a terminal cannot show are
    written as Python writes them, and the middle of a line that is too long to read is left out.
    """

    def __init__(self, message: str):
        super().__init__("\n".join(map(_readable, message.split("\n"))))


def _readable(line: str) -> str:
    if not line.isprintable():
        line = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line)
    if len(line) <= LONGEST:
        return line
    part = (LONGEST - 5) // 2
    return f"{line[:part]} ... {line[-part:]}"
