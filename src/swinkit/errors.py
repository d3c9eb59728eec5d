"""The one exception that means "your input, not our bug"."""


class InputError(ValueError):
    """Something the caller gave cannot be used.

    The message is one clear sentence: what is wrong (with the path or the value) and what to do about it. The command
    line prints it without a traceback and exits with code 2.
    """
