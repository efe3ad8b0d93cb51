"""What may go wrong during a benchmark."""


class BenchmarkError(Exception):
    """A measurement that cannot be had; the message says why in one sentence."""


class WrongAnswer(BenchmarkError):
    """A server answered with another status, length or digest than the work demands."""


class Unsupported(BenchmarkError):
    """A server does not offer what would be measured."""
