"""The one error a caller can cause; its text is a single sentence that says what to do."""


class UserError(ValueError):
    """The caller asked for something impossible or gave something unusable.

    The command line prints the message and exits with 2; the window shows it in its message bar.
    """
