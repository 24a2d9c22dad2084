"""Loading a sealed version and scoring with it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from millrace.contracts.errors import BadInputError, RefusedError
from millrace.scoring.scorer import Scorer, pad
from millrace.scoring.tokens import TextTokenizer, joined_texts
from millrace.storage import files
from millrace_serve.scoring import Ask, Scoring
from tests.images.serve.conftest import ModelStore


@pytest.fixture(scope="module")
def tokenizer(store: ModelStore) -> TextTokenizer:
    return TextTokenizer.from_file(files.local_path(store.text("words").uri) / "tokenizer.json")


def test_tokens_are_framed_cut_and_never_padded(tokenizer: TextTokenizer) -> None:
    texts = ["red green", "", "red red red red red", "purple"]
    assert tokenizer.encode(texts, 16) == [[2, 4, 5, 3], [2, 3], [2, 4, 4, 4, 4, 4, 3], [2, 1, 3]]
    assert tokenizer.encode(texts, 4) == [[2, 4, 5, 3], [2, 3], [2, 4, 4, 3], [2, 1, 3]]
    assert tokenizer.lengths(texts, 4) == [4, 2, 4, 3]
    assert tokenizer.encode(["red"] * 1000, 4) == [[2, 4, 3]] * 1000
    assert tokenizer.encode([], 4) == []
    assert tokenizer.pad_id == 0
    with pytest.raises(BadInputError, match="at least 2"):
        tokenizer.encode(texts, 1)


def test_rows_are_padded_to_the_longest_or_to_a_length() -> None:
    fed = pad([[2, 4, 3], [2, 3]], pad_id=9)
    assert fed["token_ids"].tolist() == [[2, 4, 3], [2, 3, 9]]
    assert fed["padding_mask"].tolist() == [[True, True, True], [True, True, False]]
    assert (fed["token_ids"].dtype, fed["padding_mask"].dtype) == (np.int32, np.bool_)
    assert pad([[2, 3]], 0, length=4)["token_ids"].tolist() == [[2, 3, 0, 0]]


def test_several_text_features_are_one_text_of_several_lines() -> None:
    assert joined_texts({"a": ["x", "y"], "b": ["1", "2"]}, ["a", "b"]) == ["x\n1", "y\n2"]
    with pytest.raises(BadInputError, match="feature 'a', row 1"):
        joined_texts({"a": ["x", 2]}, ["a"])
    with pytest.raises(BadInputError, match="surrogate"):
        joined_texts({"a": ["x\ud800"]}, ["a"])


def test_broken_tokenizers_are_bad_input(tmp_path: Any) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    for name in ("tokenizer.json", "missing.json"):
        with pytest.raises(BadInputError, match=name):
            TextTokenizer.from_file(tmp_path / name)


def test_probabilities_do_not_depend_on_the_batch(store: ModelStore) -> None:
    scorer = Scorer.load(store.text("v1"), threads=1)
    texts = ["red", "red red blue blue green", "blue", ""]
    together = scorer.probabilities({"text": texts, "other": [1, 2, 3, 4]})
    assert (together.dtype, together.shape) == (np.float32, (4, 3))
    np.testing.assert_array_equal(together, np.vstack([scorer.probabilities({"text": [text]}) for text in texts]))
    np.testing.assert_allclose(together[1], [4 / 7, 2 / 7, 4 / 7], atol=1e-6)
    assert scorer.decide(together) == [[0], [0, 2], [2], []]
    assert scorer.probabilities({"text": []}).shape == (0, 3)


def test_single_labels_are_the_likeliest(store: ModelStore) -> None:
    scorer = Scorer.load(store.tabular("v1"))
    probabilities = scorer.probabilities({"a": [2, 0.5, True], "b": [0, 1, 5]})
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert scorer.decide(probabilities) == [[0], [1], [1]]


def test_thresholds_include_their_own_value(store: ModelStore) -> None:
    scorer = Scorer.load(store.text("v1"))
    assert scorer.decide(np.array([[0.4, 0.39999, 0.9]], dtype=np.float32)) == [[0, 2]]


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"a": [1.0]}, r"\['b'\]"),
        ({"a": [1.0], "b": [1.0, 2.0]}, "number of rows"),
        ({"a": [1.0, float("nan")], "b": [1, 2]}, "feature 'a', row 1"),
        ({"a": [1.0, 2.0], "b": [1, "2"]}, "feature 'b', row 1"),
        ({"a": [1e39], "b": [1]}, "feature 'a', row 0"),
        ({"a": [None], "b": [1]}, "feature 'a', row 0"),
        ({"a": [10**400], "b": [1]}, "feature 'a'"),
    ],
)
def test_bad_values_are_named_by_feature_and_row(
    store: ModelStore, columns: dict[str, list[object]], says: str
) -> None:
    with pytest.raises(BadInputError, match=says):
        Scorer.load(store.tabular("v1")).probabilities(columns)


def test_a_changed_byte_is_refused(store: ModelStore) -> None:
    model = store.tabular("v1")
    path = files.local_path(model.uri) / "model.onnx"
    data = bytearray(path.read_bytes())
    data[-40] ^= 1
    path.write_bytes(data)
    with pytest.raises(RefusedError, match="changed"):
        Scorer.load(model)


@pytest.mark.parametrize(
    ("manifest", "says"),
    [
        ({"thresholds": (0.5,)}, "1 thresholds"),
        ({"max_length": 8}, "does not cover"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(store: ModelStore, manifest: dict[str, Any], says: str) -> None:
    graph = (files.local_path(store.tabular("v1").uri) / "model.onnx").read_bytes()
    described = {"target_kind": "single_label", "features": ("a", "b"), **manifest}
    with pytest.raises(RefusedError, match=says):
        Scorer.load(store.seal("v2", {"model.onnx": graph}, **described))


def test_another_workload_s_model_is_refused(store: ModelStore) -> None:
    with pytest.raises(RefusedError, match="workload 'colours'"):
        Scorer.load(store.tabular("v1").model_copy(update={"workload": "shapes"}))


def test_a_graph_that_gives_another_shape_is_refused_when_asked(store: ModelStore) -> None:
    graph = (files.local_path(store.tabular("v1").uri) / "model.onnx").read_bytes()
    labels = {"labels": ("red", "green"), "thresholds": (0.5, 0.5)}
    model = store.seal("v2", {"model.onnx": graph}, target_kind="single_label", features=("a", "b"), **labels)
    with pytest.raises(RefusedError, match=r"shape \(1, 3\)"):
        Scorer.load(model).probabilities({"a": [1], "b": [2]})


def test_a_copy_that_differs_from_what_was_verified_is_refused(
    store: ModelStore, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = store.text("v1")

    def fetch_half(uri: str, names: list[str], into: Path) -> Path:
        into.mkdir()
        for name in names:
            (into / name).write_bytes((files.local_path(uri) / name).read_bytes()[:-1])
        return into

    monkeypatch.setattr("millrace.storage.folders.fetch", fetch_half)
    with pytest.raises(RefusedError, match="not the recorded one"):
        Scorer.load(model, cache=tmp_path)


def test_a_remote_folder_is_copied_and_verified_again(store: ModelStore, tmp_path: Any) -> None:
    import fsspec

    local = store.text("v1")
    memory = fsspec.filesystem("memory")
    for name in ("model.onnx", "tokenizer.json", "manifest.json"):
        memory.pipe_file(f"/models/v1/{name}", (files.local_path(local.uri) / name).read_bytes())
    model = local.model_copy(update={"uri": "memory:///models/v1"})
    expected = Scorer.load(local).probabilities({"text": ["red"]})
    np.testing.assert_array_equal(Scorer.load(model).probabilities({"text": ["red"]}), expected)
    Scorer.load(model, cache=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [model.manifest_sha256]
    memory.pipe_file("/models/v1/model.onnx", b"changed")
    with pytest.raises(RefusedError, match="changed"):
        Scorer.load(model)


def step_all(scorer: Scorer, rows: list[str], is_short: bool) -> tuple[int, list[dict[str, Any]]]:
    body = {"inputs": [{"name": "text", "datatype": "BYTES", "shape": [len(rows)], "data": rows}]}
    scoring = Scoring(Ask(json.dumps(body).encode(), None, "client", lambda: False), scorer, max_rows=1000)
    scoring.prepare()
    steps = 0
    while (answer := scoring.answer()) is None:
        scoring.keep(scorer.score(scoring.piece(is_short)), 0.1)
        steps += 1
    return steps, json.loads(answer.body)["outputs"]


def test_rows_in_pieces_are_answered_in_their_order(store: ModelStore) -> None:
    scorer = Scorer.load(store.text("v1", max_length=64))
    rows = [" ".join(["red", "green", "blue"][number % 3 :] * (1 + number % 17)) for number in range(100)]
    whole = scorer.probabilities({"text": rows})
    pieces, outputs = step_all(scorer, rows, is_short=False)
    more_pieces, same_outputs = step_all(scorer, rows, is_short=True)
    assert 1 < pieces < more_pieces < 100
    for found in (outputs, same_outputs):
        np.testing.assert_allclose(np.reshape(found[0]["data"], whole.shape), whole, atol=1e-6)
        given = [{each["label"] for each in json.loads(row)} for row in found[1]["data"]]
        assert given == [{scorer.manifest.labels[at] for at in row} for row in scorer.decide(whole)]
