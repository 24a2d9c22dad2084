"""The Open Inference Protocol as kserve's public client speaks it, and as plain HTTP."""

import asyncio
import json
from typing import Any

import numpy as np
import pytest
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig

from millrace.serving.client import InferenceClient


def public_client() -> InferenceRESTClient:
    return InferenceRESTClient(RESTConfig(protocol="v2", timeout=30, retries=0))


@pytest.fixture(scope="module")
def text_server(start_server: Any, store: Any) -> Any:
    server = start_server()
    assert server.order(store.text("v1")).state == "ready"
    return server


@pytest.fixture(scope="module")
def tabular_server(start_server: Any, store: Any) -> Any:
    server = start_server()
    assert server.order(store.tabular("v1", weight=1.0)).state == "ready"
    return server


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("shape", [[2], [2, 1]])
def test_public_client_sends_text_and_gets_labels(text_server: Any, binary: bool, shape: list[int]) -> None:
    tensor = InferInput("text", shape, "BYTES")
    tensor.set_data_from_numpy(np.array([b"red red", b"blue"], dtype=np.object_).reshape(shape), binary_data=binary)
    request = InferRequest("colours", [tensor], request_id="7", parameters={"binary_data_output": binary})

    async def talk() -> Any:
        client = public_client()
        assert await client.is_server_live(text_server.address)
        assert await client.is_server_ready(text_server.address)
        assert await client.is_model_ready(text_server.address, "colours")
        return await client.infer(text_server.address, request, model_name="colours")

    response = asyncio.run(talk())
    assert response.id == "7"
    assert response.model_name == "colours"
    probabilities = response.get_output_by_name("probabilities")
    assert probabilities.datatype == "FP32"
    np.testing.assert_allclose(probabilities.as_numpy(), [[1, 0, 0], [0, 0, 2 / 3]], atol=1e-6)
    labels = [json.loads(row) for row in response.get_output_by_name("labels").as_numpy().tolist()]
    assert [[each["label"] for each in row] for row in labels] == [["red"], ["blue"]]
    assert labels[1][0]["score"] == pytest.approx(2 / 3, abs=1e-5)


def test_public_client_sends_tabular_features_and_a_matrix(tabular_server: Any) -> None:
    by_feature = [InferInput(name, [2], "FP64") for name in ("a", "b")]
    for tensor, values in zip(by_feature, ([3.0, 1.0], [0.0, 2.0]), strict=True):
        tensor.set_data_from_numpy(np.array(values), binary_data=False)
    matrix = InferInput("features", [2, 2], "FP32")
    matrix.set_data_from_numpy(np.array([[3, 0], [1, 2]], dtype=np.float32), binary_data=True)

    async def talk(inputs: list[Any]) -> Any:
        return await public_client().infer(tabular_server.address, InferRequest("colours", inputs), "colours")

    for inputs in (by_feature, [matrix]):
        response = asyncio.run(talk(inputs))
        scores = np.exp([[3, 0, 0], [1, 2, 0]])
        expected = scores / scores.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(response.get_output_by_name("probabilities").as_numpy(), expected, atol=1e-5)
        rows = [json.loads(row) for row in response.get_output_by_name("labels").as_numpy().tolist()]
        assert [[each["label"] for each in row] for row in rows] == [["red"], ["green"]]


def test_metadata_names_versions_and_tensors(tabular_server: Any, store: Any) -> None:
    server = tabular_server
    assert server.http.get("/v2").json()["name"] == "kserve"
    metadata = server.http.get("/v2/models/colours").json()
    assert metadata["versions"] == ["v1"]
    assert metadata["inputs"] == [{"name": name, "datatype": "FP64", "shape": [-1]} for name in ("a", "b")]
    assert [output["name"] for output in metadata["outputs"]] == ["probabilities", "labels"]
    assert server.http.get("/v2/models/colours/versions/v1").status_code == 200
    assert server.http.get("/v2/models/colours/versions/v1/ready").json() == {"name": "colours", "ready": True}
    assert server.http.get("/v2/models/colours/versions/v2/ready").status_code == 404


def test_a_version_is_asked_by_name_and_said_in_the_answer(tabular_server: Any, store: Any) -> None:
    server = tabular_server
    first = server.room.read_target().stable
    assert server.order(first, store.tabular("v2", weight=5.0), 0).state == "ready"
    by_version = {version: server.infer([(1.0, 0.0)], version).json() for version in ("v1", "v2")}
    assert {version: answer["model_version"] for version, answer in by_version.items()} == {"v1": "v1", "v2": "v2"}
    tops = {version: answer["outputs"][0]["data"][0] for version, answer in by_version.items()}
    assert tops["v1"] == pytest.approx(np.exp(1) / (np.exp(1) + 2), abs=1e-5)
    assert tops["v2"] == pytest.approx(np.exp(5) / (np.exp(5) + 2), abs=1e-5)
    assert server.infer([(1.0, 0.0)]).json()["model_version"] == "v1"
    server.order(first)
    assert server.infer([(1.0, 0.0)], "v2").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/v2/models/other",
        "/v2/models/colours/versions/v9",
        "/v1/models",
        "/v2/repository/models/colours/unload",
        "/openai/v1/models",
        "/docs",
        "/v2/models/../secrets",
    ],
)
def test_unknown_paths_are_404_with_an_error(tabular_server: Any, path: str) -> None:
    for method in ("GET", "POST"):
        response = tabular_server.http.request(method, path)
        assert response.status_code in {404, 405}
        assert response.json()["error"]
    assert tabular_server.infer([(1.0, 0.0)]).status_code == 200


def test_curl_without_a_content_type_works(text_server: Any) -> None:
    body = json.dumps({"inputs": [{"name": "text", "datatype": "BYTES", "shape": [1], "data": ["green"]}]})
    headers = {"content-type": "application/x-www-form-urlencoded"}
    response = text_server.http.post("/v2/models/colours/infer", content=body, headers=headers)
    assert response.status_code == 200
    assert json.loads(response.json()["outputs"][1]["data"][0])[0]["label"] == "green"


def test_our_client_reads_the_same_answer(text_server: Any) -> None:
    with InferenceClient(text_server.address, "colours") as client:
        assert client.ready()
        answer = client.infer([{"text": "red red blue blue blue"}, {"text": "green"}])
    assert answer.model_version == "v1"
    assert [[label for label, _ in row] for row in answer.labels] == [["blue", "red"], ["green"]]
    assert answer.probabilities[1] == pytest.approx((0, 2 / 3, 0), abs=1e-6)


def test_only_asked_outputs_come_back(text_server: Any) -> None:
    body = {
        "inputs": [{"name": "text", "datatype": "BYTES", "shape": [1], "data": ["red"]}],
        "outputs": [{"name": "labels"}],
    }
    outputs = text_server.http.post("/v2/models/colours/infer", json=body).json()["outputs"]
    assert [output["name"] for output in outputs] == ["labels"]
