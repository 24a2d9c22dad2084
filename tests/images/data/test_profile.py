import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from millrace.contracts.data import Dataset
from millrace.contracts.errors import RefusedError
from millrace.contracts.model import BaseModelRef, FolderManifest
from millrace.scoring.tokens import TextTokenizer
from millrace.storage import folders
from millrace_data import measure
from millrace_data.measure import Profiler, TokenLengths, open_tokenizer


@pytest.fixture
def base_model(tmp_path: Path) -> BaseModelRef:
    """A tokenizer that gives each word one token, between [CLS] and [SEP]."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    vocabulary = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "word": 4}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    folder = tmp_path / "base"
    folder.mkdir()
    tokenizer.save(str(folder / "tokenizer.json"))
    uri = folder.as_uri()
    digest = folders.seal(uri, FolderManifest(kind="base_model", files=folders.digests(uri)))
    return BaseModelRef(name="tiny", uri=uri, manifest_sha256=digest)


def _batch(word_counts: list[int]) -> pa.RecordBatch:
    return pa.record_batch({"text": [" ".join(["word"] * count) for count in word_counts]})


def test_lengths_fall_into_powers_of_two_with_both_frames_counted(base_model: BaseModelRef) -> None:
    words = [0, 6, 7, 14, 15, 300, 510, 511, 9000]
    lengths = TokenLengths(open_tokenizer(base_model), ["text"], len(words))
    lengths.add(_batch(words[:4]))
    lengths.add(_batch(words[4:]))
    found = lengths.histogram()
    assert found.upper == (8, 16, 32, 64, 128, 256, 512)
    assert found.counts == (2, 2, 1, 0, 0, 0, 4)


def test_a_large_partition_is_sampled_evenly_and_scaled(
    base_model: BaseModelRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "SAMPLE_ROWS", 100)
    words = [1] * 700 + [20] * 301
    lengths = TokenLengths(open_tokenizer(base_model), ["text"], len(words))
    for start in range(0, len(words), 64):
        lengths.add(_batch(words[start : start + 64]))
    found = lengths.histogram()
    assert sum(found.counts) == len(words)
    assert found.counts[0] == pytest.approx(700, abs=15)
    assert found.counts[2] == pytest.approx(301, abs=15)
    assert sum(found.counts[i] for i in (1, 3, 4, 5, 6)) == 0


def test_the_sampled_rows_are_spread_over_all_batches(
    base_model: BaseModelRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "SAMPLE_ROWS", 3)
    words = [20] * 1001
    words[0], words[500], words[1000] = 1, 60, 300
    lengths = TokenLengths(open_tokenizer(base_model), ["text"], len(words))
    for start in range(0, len(words), 64):
        lengths.add(_batch(words[start : start + 64]))
    assert lengths.histogram().counts == (334, 0, 0, 334, 0, 0, 333)


def test_a_label_counts_once_a_row_and_null_is_none(text_dataset: Callable[..., Dataset]) -> None:
    profiler = Profiler(text_dataset())
    labels = [["a", "a", "b"], None, [], ["a", None], ["c"]]
    columns = {"id": ["x"] * 5, "text": ["t"] * 5, "labels": labels, "split": ["train"] * 5}
    splits = ["train", "train", "test", "test", "validation"]
    profiler.add(pa.record_batch(columns | {"split_": splits}))
    found = profiler.profile(None)
    assert found.label_counts == {"a": 2, "b": 1, "c": 1}
    assert found.train_label_counts == {"a": 1, "b": 1}
    assert found.rows_by_split == {"test": 2, "train": 2, "validation": 1}


def test_several_text_features_count_as_the_model_sees_them(base_model: BaseModelRef) -> None:
    batch = pa.record_batch({"title": ["word word"], "text": ["word " * 20]})
    lengths = TokenLengths(open_tokenizer(base_model), ["title", "text"], 1)
    lengths.add(batch)
    assert lengths.histogram().counts[2] == 1


def test_a_changed_tokenizer_is_refused(base_model: BaseModelRef, tmp_path: Path) -> None:
    path = tmp_path / "base" / "tokenizer.json"
    content = json.loads(path.read_text())
    content["model"]["vocab"]["more"] = 5
    path.write_text(json.dumps(content))
    with pytest.raises(RefusedError):
        open_tokenizer(base_model)


def test_an_opened_tokenizer_outlives_its_folder(base_model: BaseModelRef) -> None:
    tokenizer = open_tokenizer(base_model)
    assert isinstance(tokenizer, TextTokenizer)
    assert tokenizer.lengths(["word word"], 512) == [4]
