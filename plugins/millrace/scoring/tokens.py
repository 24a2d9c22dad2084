"""Text to token ids, the same in training, evaluation and serving."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from tokenizers import Tokenizer

from millrace.contracts.errors import BadInputError

TOKENIZER_FILE = "tokenizer.json"
_TEXTS_AT_A_TIME = 256
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class TextTokenizer:
    """A Hugging Face ``tokenizer.json`` that begins each text with [CLS] and ends it with [SEP].

    ``pad_id`` is the id that fills a row behind its last token; it is masked and never attended to.
    """

    def __init__(self, tokenizer: Tokenizer, where: str) -> None:
        padding = tokenizer.padding
        tokenizer.no_truncation()
        tokenizer.no_padding()
        frame = tokenizer.encode("").ids
        if len(frame) != 2:
            raise BadInputError(
                f"the tokenizer frames a text with {len(frame)} tokens",
                where=where,
                rule="a text is framed by [CLS] and [SEP], by the file's own post-processor",
                remedy="give the tokenizer.json that belongs to a BERT model",
            )
        self._tokenizer = tokenizer
        self._end_id: int = frame[-1]
        self.pad_id: int = padding["pad_id"] if padding else (tokenizer.token_to_id("[PAD]") or 0)
        self.vocabulary_size: int = tokenizer.get_vocab_size()

    @classmethod
    def from_file(cls, path: Path) -> "TextTokenizer":
        """Read a ``tokenizer.json``; its own truncation and padding are switched off.

        Raises BadInputError where the file is missing, unreadable or not one of a BERT.
        """
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises bare Exception for a missing and for a broken file
            raise BadInputError(
                f"the tokenizer cannot be read: {error}",
                where=str(path),
                rule="a tokenizer.json of the Hugging Face tokenizers library",
                remedy="copy it from the folder of the base model",
            ) from error
        return cls(tokenizer, str(path))

    def encode(self, texts: Sequence[str], max_length: int) -> list[list[int]]:
        """Each text's ids, framed by [CLS] and [SEP], at most ``max_length`` of them; what is cut leaves [SEP] last."""
        if max_length < 2:
            raise BadInputError(
                f"a row of {max_length} tokens holds no text",
                where="max_length",
                rule="at least 2: [CLS] and [SEP]",
                remedy="raise max_length",
            )
        rows: list[list[int]] = []
        for start in range(0, len(texts), _TEXTS_AT_A_TIME):
            for encoding in self._tokenizer.encode_batch_fast(list(texts[start : start + _TEXTS_AT_A_TIME])):
                ids: list[int] = encoding.ids
                rows.append(ids if len(ids) <= max_length else [*ids[: max_length - 1], self._end_id])
        return rows

    def lengths(self, texts: Sequence[str], max_length: int) -> list[int]:
        """How many ids ``encode`` gives each text: between 2 and ``max_length``."""
        return [len(ids) for ids in self.encode(texts, max_length)]


def joined_texts(columns: Mapping[str, Sequence[object]], features: Sequence[str]) -> list[str]:
    """A row's text: its text features in order, one line each (a single feature is left as it is).

    Raises BadInputError naming the feature and the row where a value is not text, never the value.
    """
    texts = [[_text(value, feature, row) for row, value in enumerate(columns[feature])] for feature in features]
    return ["\n".join(values) for values in zip(*texts, strict=True)]


def _text(value: object, feature: str, row: int) -> str:
    if isinstance(value, str) and (value.isascii() or not _LONE_SURROGATE.search(value)):
        return value
    found = "half of a surrogate pair" if isinstance(value, str) else f"a value of type {type(value).__name__}"
    raise BadInputError(
        f"{found} where text belongs",
        where=f"feature {feature!r}, row {row}",
        rule="a feature of a text model is text, and complete",
        remedy="send a string",
    )
