"""Tokenisation of texts, the same in training, evaluation and serving."""

import re
import string
from collections.abc import Mapping, Sequence
from pathlib import Path

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from millrace.contracts.errors import BadInputError

TOKENIZER_FILE = "tokenizer.json"
_TEXTS_AT_A_TIME = 256
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_CHARACTERS_PER_TOKEN = 5  # more than ordinary text needs, so that one pass is enough
_GROWTH = 4
_KEPT_OF_A_LONG_WORD = 64  # characters at each end
_LONG_WORD = re.compile(f"[0-9A-Za-z]{{{2 * _KEPT_OF_A_LONG_WORD + 1},}}")
_SPACES = " \t\n\r"
_IDEOGRAPHS = "\u4e00-\u9fff"
_BY_WORDS = (pre_tokenizers.BertPreTokenizer, pre_tokenizers.Whitespace, pre_tokenizers.WhitespaceSplit)
_BY_CHARACTERS = (
    normalizers.BertNormalizer,
    normalizers.Lowercase,
    normalizers.NFC,
    normalizers.NFD,
    normalizers.NFKC,
    normalizers.NFKD,
    normalizers.StripAccents,
)


class TextTokenizer:
    """Tokenizer from a Hugging Face ``tokenizer.json`` that begins each text with [CLS] and ends it with [SEP].

    ``pad_id`` is the id that pads a row after its last token; it is masked and never attended to.
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
        self._boundary = _boundary(tokenizer)
        self._long_word = _long_word(tokenizer) if self._boundary is not None else None
        self._end_id: int = frame[-1]
        self.pad_id: int = padding["pad_id"] if padding else (tokenizer.token_to_id("[PAD]") or 0)
        self.vocabulary_size: int = tokenizer.get_vocab_size()

    @classmethod
    def from_file(cls, path: Path) -> "TextTokenizer":
        """Read a ``tokenizer.json`` and disable its own truncation and padding.

        Raises BadInputError if the file is missing, unreadable or not of a BERT model.
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
        """Return each text's ids with [CLS] and [SEP], at most ``max_length``; a text that is cut still ends in [SEP].

        If the tokenizer works word by word, only as much of a long text is read as is needed.
        """
        if max_length < 2:
            raise BadInputError(
                f"a row of {max_length} tokens holds no text",
                where="max_length",
                rule="at least 2: [CLS] and [SEP]",
                remedy="raise max_length",
            )
        rows: list[list[int]] = []
        for start in range(0, len(texts), _TEXTS_AT_A_TIME):
            for ids in self._enough(texts[start : start + _TEXTS_AT_A_TIME], max_length):
                rows.append(ids if len(ids) <= max_length else [*ids[: max_length - 1], self._end_id])
        return rows

    def _enough(self, texts: Sequence[str], max_length: int) -> list[list[int]]:
        """Return each text's ids, or at least the first ``max_length`` of them."""
        found: dict[int, list[int]] = {}
        waiting, characters = list(range(len(texts))), max_length * _CHARACTERS_PER_TOKEN
        while waiting:
            heads = [self._head(texts[index], characters) for index in waiting]
            encodings = self._tokenizer.encode_batch_fast([self._shortened(head) for head in heads])
            for index, head, encoding in zip(waiting, heads, encodings, strict=True):
                if len(head) == len(texts[index]) or len(encoding.ids) >= max_length:
                    found[index] = encoding.ids
            waiting, characters = [index for index in waiting if index not in found], characters * _GROWTH
        return [found[index] for index in range(len(texts))]

    def _head(self, text: str, characters: int) -> str:
        """Return the text up to its first boundary after ``characters``; its tokens are the first ones of the text."""
        if self._boundary is None or len(text) <= characters:
            return text
        boundary = self._boundary.search(text, characters)
        return text if boundary is None else text[: boundary.end()]

    def lengths(self, texts: Sequence[str], max_length: int) -> list[int]:
        """Return the number of ids that ``encode`` gives each text: between 2 and ``max_length``."""
        return [len(ids) for ids in self.encode(texts, max_length)]

    def _shortened(self, text: str) -> str:
        """Return the text with its overlong words shortened, which gives the same tokens."""
        if self._long_word is None:
            return text
        ends = _KEPT_OF_A_LONG_WORD
        return self._long_word.sub(lambda found: found[0][:ends] + found[0][-ends:], text)


def _boundary(tokenizer: Tokenizer) -> re.Pattern[str] | None:
    """Return the characters after which tokenisation is independent of the text before; None if they are unknown.

    White space is one if words are tokenised one by one. With BERT's own rules, punctuation marks and ideographs are
    words, too. None of them may be part of a token that is matched before the split into words, such as ``[SEP]``.
    """
    words, characters = tokenizer.pre_tokenizer, tokenizer.normalizer
    if not isinstance(words, _BY_WORDS) or not (characters is None or isinstance(characters, _BY_CHARACTERS)):
        return None
    added = "".join(token.content for token in tokenizer.get_added_tokens_decoder().values())
    if any(sign.isspace() for sign in added):
        return None
    signs, ideographs = _SPACES, ""
    if isinstance(words, pre_tokenizers.BertPreTokenizer) and isinstance(characters, normalizers.BertNormalizer):
        signs += "".join(sign for sign in string.punctuation if sign not in added)
        ideographs = _IDEOGRAPHS if characters.handle_chinese_chars and added.isascii() else ""
    return re.compile(f"[{re.escape(signs)}{ideographs}]")


def _long_word(tokenizer: Tokenizer) -> re.Pattern[str] | None:
    """Return the pattern of ASCII letters and digits that is one unknown token at any length; None if there is none."""
    model, kept = tokenizer.model, 2 * _KEPT_OF_A_LONG_WORD
    added = [token.content for token in tokenizer.get_added_tokens_decoder().values()]
    is_apart = all(len(text) < _KEPT_OF_A_LONG_WORD and not (text.isascii() and text.isalnum()) for text in added)
    is_limited = isinstance(model, models.WordPiece) and model.max_input_chars_per_word < kept
    return _LONG_WORD if is_apart and is_limited else None


def joined_texts(columns: Mapping[str, Sequence[object]], features: Sequence[str]) -> list[str]:
    """Return the text of each row: its text features in order, one line each (a single feature is unchanged).

    Raises BadInputError if a value is not text; the error names the feature and the row, never the value.
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
