"""A long text is tokenised no further than its tokens are kept, and they are those of the whole text."""

import random
import string
from collections.abc import Sequence
from typing import Any

import pytest
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors

from millrace.scoring import tokens
from millrace.scoring.tokens import TextTokenizer

_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_ALPHABET = [
    *string.ascii_letters, *string.punctuation, *" \t\n\r\x00\x01\u00a0\u3000\u2028\u200d",
    *"äöüßÅéñΣςİı", "e\u0301", "=\u0338", "\u0301", "漢", "字", "仮名", "한국", "か\u3099", "，", "。", "🙂",
    "👩\u200d💻", "[SEP]", "[MASK]", " [MASK] ", "[", "]", "sep", "ing", "<e1>", "word", "x" * 120, "a1" * 70, " " * 30,
]  # fmt: skip


def make(
    normalizer: normalizers.Normalizer | None, splitter: pre_tokenizers.PreTokenizer, added: Sequence[str] = ()
) -> Any:
    pieces = [*_SPECIAL, *string.ascii_lowercase, *string.punctuation, "word", "漢", "字", "仮"]
    pieces += [f"##{piece}" for piece in (*string.ascii_lowercase, "ing", "ord", "名")]
    vocabulary = {piece: index for index, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = splitter
    tokenizer.add_special_tokens([AddedToken("[MASK]", lstrip=True), *_SPECIAL[:4]])
    tokenizer.add_tokens([AddedToken(text, single_word=True) for text in added])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer


TOKENIZERS = {
    "BERT uncased": lambda: make(normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()),
    "BERT cased": lambda: make(
        normalizers.BertNormalizer(lowercase=False, strip_accents=False), pre_tokenizers.BertPreTokenizer()
    ),
    "BERT without ideographs": lambda: make(
        normalizers.BertNormalizer(handle_chinese_chars=False), pre_tokenizers.BertPreTokenizer()
    ),
    "added words": lambda: make(normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer(), ["<e1>", "c++", "漢"]),
    "an added word with a space": lambda: make(None, pre_tokenizers.WhitespaceSplit(), ["a b"]),
    "composed": lambda: make(normalizers.NFC(), pre_tokenizers.BertPreTokenizer()),
    "words": lambda: make(normalizers.Lowercase(), pre_tokenizers.Whitespace()),
    "another kind": lambda: make(None, pre_tokenizers.Metaspace()),
}


def whole(tokenizer: Tokenizer, text: str, max_length: int) -> list[int]:
    """All of the text tokenised, then cut."""
    ids: list[int] = tokenizer.encode(text).ids
    return ids if len(ids) <= max_length else [*ids[: max_length - 1], ids[-1]]


@pytest.mark.parametrize("name", TOKENIZERS)
def test_the_tokens_of_a_cut_text_are_those_of_the_whole(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "_CHARACTERS_PER_TOKEN", 1)
    draw = random.Random(name)
    tokenizer = TextTokenizer(TOKENIZERS[name](), "here")
    plain = TOKENIZERS[name]()
    for _ in range(40):
        texts = ["".join(draw.choices(_ALPHABET, k=draw.randrange(200))) for _ in range(25)]
        max_length = draw.choice([2, 3, 5, 8, 20])
        found = tokenizer.encode(texts, max_length)
        assert found == [whole(plain, text, max_length) for text in texts]


class Counts:
    """A tokenizer that counts the characters that it is given."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self.characters = 0

    def encode_batch_fast(self, texts: list[str]) -> object:
        self.characters += sum(map(len, texts))
        return self._tokenizer.encode_batch_fast(texts)


@pytest.mark.parametrize(
    "text",
    ["word, and so on " * 70_000, "漢字" * 500_000, "a-" * 500_000, "\n\n\t" * 400 + "word\n" * 200_000],
    ids=["words", "ideographs", "signs", "spaces first"],
)
def test_a_text_of_a_megabyte_is_not_tokenised_whole(text: str) -> None:
    tokenizer = TextTokenizer(TOKENIZERS["BERT uncased"](), "here")
    counts = Counts(tokenizer._tokenizer)
    tokenizer._tokenizer = counts
    (ids,) = tokenizer.encode([text], 64)
    assert len(ids) == 64
    assert counts.characters < 16 * 64 * 8


def test_a_word_of_a_megabyte_is_one_unknown_token_at_once() -> None:
    tokenizer = TextTokenizer(TOKENIZERS["BERT uncased"](), "here")
    counts = Counts(tokenizer._tokenizer)
    tokenizer._tokenizer = counts
    word = TOKENIZERS["BERT uncased"]().token_to_id("word")
    assert tokenizer.encode(["ab12" * 262_144 + " word"], 64) == [[2, 1, word, 3]]
    assert counts.characters < 1000
