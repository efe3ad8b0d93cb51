"""Tokenizers of Hugging Face: their vocabulary is counted, and never kept.

Source: the serialization of the library tokenizers, and transformers' PreTrainedTokenizerBase.
"""

from __future__ import annotations

from typing import Final

import msgspec

from mediatypes.files.documents import decoded, json_object, whole
from mediatypes.files.paths import base_name
from mediatypes.files.plain import plain_object
from mediatypes.files.reading import Limits, Reading, Source
from mediatypes.files.telling import Telling, present
from mediatypes.record import Provenance

_TOKENS: Final = "added_tokens_decoder"


class _Added(msgspec.Struct):
    id: int


class _Kind(msgspec.Struct):
    type: str | None = None


class _Model(msgspec.Struct):
    # A mapping of tokens to numbers, or, in a Unigram model, a list of tokens with their scores.
    vocab: dict[str, int] | list[tuple[str, float]] = msgspec.field(default_factory=dict)
    type: str | None = None


class _Tokenizer(msgspec.Struct):
    model: _Model
    version: str | None = None
    added_tokens: list[_Added] = msgspec.field(default_factory=list)
    normalizer: _Kind | None = None
    pre_tokenizer: _Kind | None = None
    decoder: _Kind | None = None


class Tokenizer:
    """Reads tokenizer.json."""

    name = "tokenizer"

    def recognises(self, path: str, head: bytes) -> bool:
        """Say whether this is tokenizer.json."""
        return base_name(path) == "tokenizer.json"

    def read(self, path: str, source: Source, limits: Limits) -> Reading:
        """Return the size of the vocabulary with added tokens, and the algorithm. Raise Unreadable."""
        found = decoded(whole(source, limits, limits.header), _Tokenizer)
        numbers = range(len(found.model.vocab)) if isinstance(found.model.vocab, list) else found.model.vocab.values()
        size = len({*numbers, *(token.id for token in found.added_tokens)})
        # Models pad their vocabulary: what config.json says is what the model has.
        telling = Telling(path, Provenance.HEADER)
        telling.tell("vocabulary_size", size, "/model/vocab")
        parts = (("normalizer", found.normalizer), ("pre_tokenizer", found.pre_tokenizer), ("decoder", found.decoder))
        raw = present(
            version=found.version,
            model=found.model.type,
            vocabulary_size=size,
            added_tokens=len(found.added_tokens),
            **{name: part.type for name, part in parts if part is not None},
        )
        return Reading(self.name, telling.facts, raw=plain_object(raw))


class TokenizerConfig:
    """Reads tokenizer_config.json."""

    name = "tokenizer-config"

    def recognises(self, path: str, head: bytes) -> bool:
        """Say whether this is tokenizer_config.json."""
        return base_name(path) == "tokenizer_config.json"

    def read(self, path: str, source: Source, limits: Limits) -> Reading:
        """Return the tokenizer's class and whether it has a chat template. Raise Unreadable."""
        document = json_object(source, limits)
        telling = Telling(path, Provenance.CONFIG)
        has_template = bool(document.get("chat_template"))
        if has_template:
            telling.tell("extra", {"chat_template": True}, "/chat_template")
        raw = {name: value for name, value in document.items() if name not in (_TOKENS, "chat_template")}
        raw["has_chat_template"] = has_template
        return Reading(self.name, telling.facts, raw=plain_object(raw))


class ChatTemplate:
    """Reads chat_template.jinja and chat_template.json: only that there is one."""

    name = "chat-template"

    def recognises(self, path: str, head: bytes) -> bool:
        """Say whether this is a chat template in a file of its own."""
        return base_name(path) in ("chat_template.jinja", "chat_template.json")

    def read(self, path: str, source: Source, limits: Limits) -> Reading:
        """Return that the model has a chat template. It is a program and not looked at."""
        telling = Telling(path, Provenance.CONFIG)
        if source.size:
            telling.tell("extra", {"chat_template": True})
        return Reading(self.name, telling.facts, raw={"bytes": source.size})
