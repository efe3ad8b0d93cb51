"""Why a call of others didn't work: without what makes such calls, which only who makes them loads."""

from __future__ import annotations


class OutgoingFailed(Exception):
    """A call didn't succeed. The message is for the log: it tells about the operator's network."""


class TargetRefused(OutgoingFailed):
    """The registry must not call this: its scheme, its host, or an address of that."""


class TargetUnreachable(OutgoingFailed):
    """Nobody answers, the certificate is not the host's, or what answers is no HTTP."""


class TargetTooSlow(OutgoingFailed):
    """The answer was not there in time."""


class AnswerTooLarge(OutgoingFailed):
    """The answer is larger than the caller takes."""


class AnswerUnfit(OutgoingFailed):
    """The answer is compressed, redirects too often, or to nowhere."""
