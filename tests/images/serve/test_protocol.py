"""The Open Inference Protocol as kserve's public client speaks it, and as plain HTTP."""

import asyncio
import json
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig

from millrace.serving.client import InferenceClient, RequestFailedError
from tests.images.serve.conftest import ModelStore, Server, StartServer


def public_client() -> InferenceRESTClient:
    return InferenceRESTClient(RESTConfig(protocol="v2", timeout=30, retries=0))


@pytest.fixture(scope="module")
def text_server(start_server: StartServer, store: ModelStore) -> Any:
    server = start_server()
    assert server.order(store.text("v1")).state == "ready"
    return server


@pytest.fixture(scope="module")
def tabular_server(start_server: StartServer, store: ModelStore) -> Any:
    server = start_server()
    assert server.order(store.tabular("v1", weight=1.0)).state == "ready"
    return server


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("shape", [[2], [2, 1]])
def test_public_client_sends_text_and_gets_labels(text_server: Server, binary: bool, shape: list[int]) -> None:
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


def test_public_client_sends_tabular_features_and_a_matrix(tabular_server: Server) -> None:
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


def test_metadata_names_versions_and_tensors(tabular_server: Server, store: ModelStore) -> None:
    server = tabular_server
    assert server.http.get("/v2").json() | {"version": ""} == {
        "name": "millrace",
        "version": "",
        "extensions": ["binary_tensor_data"],
    }
    metadata = server.http.get("/v2/models/colours").json()
    assert metadata["versions"] == ["v1"]
    assert metadata["inputs"] == [{"name": name, "datatype": "FP64", "shape": [-1]} for name in ("a", "b")]
    assert [output["name"] for output in metadata["outputs"]] == ["probabilities", "labels"]
    assert server.http.get("/v2/models/colours/versions/v1").status_code == 200
    assert server.http.get("/v2/models/colours/versions/v1/ready").json() == {"name": "colours", "ready": True}
    assert server.http.get("/v2/models/colours/versions/v2/ready").status_code == 404


def test_a_version_is_asked_by_name_and_said_in_the_answer(tabular_server: Server, store: ModelStore) -> None:
    server = tabular_server
    first = server.server_files.read_target().stable
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
def test_unknown_paths_are_404_with_an_error(tabular_server: Server, path: str) -> None:
    for method in ("GET", "POST"):
        response = tabular_server.http.request(method, path)
        assert response.status_code in {404, 405}
        assert response.json()["error"]
    assert tabular_server.infer([(1.0, 0.0)]).status_code == 200


def test_curl_without_a_content_type_works(text_server: Server) -> None:
    body = json.dumps({"inputs": [{"name": "text", "datatype": "BYTES", "shape": [1], "data": ["green"]}]})
    headers = {"content-type": "application/x-www-form-urlencoded"}
    response = text_server.http.post("/v2/models/colours/infer", content=body, headers=headers)
    assert response.status_code == 200
    assert json.loads(response.json()["outputs"][1]["data"][0])[0]["label"] == "green"


def test_our_client_reads_the_same_answer(text_server: Server) -> None:
    with InferenceClient(text_server.address, "colours") as client:
        assert client.ready()
        answer = client.infer([{"text": "red red blue blue blue"}, {"text": "green"}])
    assert answer.model_version == "v1"
    assert [[label for label, _ in row] for row in answer.labels] == [["blue", "red"], ["green"]]
    assert answer.probabilities[1] == pytest.approx((0, 2 / 3, 0), abs=1e-6)


def test_only_asked_outputs_come_back(text_server: Server) -> None:
    body = {
        "inputs": [{"name": "text", "datatype": "BYTES", "shape": [1], "data": ["red"]}],
        "outputs": [{"name": "labels"}],
    }
    outputs = text_server.http.post("/v2/models/colours/infer", json=body).json()["outputs"]
    assert [output["name"] for output in outputs] == ["labels"]


def post(server: Server, head: dict[str, Any], behind: bytes = b"", coding: str = "") -> Any:
    headers = {"content-encoding": coding} if coding else {}
    body = json.dumps(head).encode()
    if behind:
        headers["inference-header-content-length"] = str(len(body))
    return server.http.post("/v2/models/colours/infer", content=body + behind, headers=headers)


def lengths_and_values(values: list[bytes]) -> bytes:
    return b"".join(struct.pack("<I", len(value)) + value for value in values)


TEXT = {"name": "text", "datatype": "BYTES", "shape": [1], "data": ["red"]}


@pytest.mark.parametrize(
    ("parameters", "of_output", "is_binary"),
    [
        ({"binary_data_output": True}, None, True),
        ({"binary_data_output": True}, {"binary_data": False}, False),
        ({"binary_data_output": False}, {"binary_data": True}, True),
        (None, {"binary_data": True}, True),
        (None, None, False),
    ],
)
@pytest.mark.parametrize("name", ["probabilities", "labels"])
def test_a_listed_output_is_binary_where_it_or_the_request_says_so(
    text_server: Server, name: str, parameters: Any, of_output: Any, is_binary: bool
) -> None:
    head: dict[str, Any] = {"inputs": [TEXT], "outputs": [{"name": name}]}
    if parameters is not None:
        head["parameters"] = parameters
    if of_output is not None:
        head["outputs"][0]["parameters"] = of_output
    response = post(text_server, head)
    assert response.status_code == 200
    if not is_binary:
        assert [output["name"] for output in response.json()["outputs"]] == [name]
        assert "inference-header-content-length" not in response.headers
        return
    json_bytes = int(response.headers["inference-header-content-length"])
    output = json.loads(response.content[:json_bytes])["outputs"][0]
    behind = response.content[json_bytes:]
    assert output["parameters"] == {"binary_data_size": len(behind)}
    assert "data" not in output
    if name == "probabilities":
        np.testing.assert_allclose(np.frombuffer(behind, "<f4"), [2 / 3, 0, 0], atol=1e-6)
    else:
        assert [each["label"] for each in json.loads(behind[4:])] == ["red"]


@pytest.mark.parametrize(("datatype", "dtype"), [("FP16", "<f2"), ("FP32", "<f4"), ("INT8", "<i1"), ("UINT64", "<u8")])
def test_binary_numbers_of_every_kind_are_taken(tabular_server: Server, datatype: str, dtype: str) -> None:
    inputs = [
        {
            "name": name,
            "datatype": datatype,
            "shape": [2],
            "parameters": {"binary_data_size": 2 * np.dtype(dtype).itemsize},
        }
        for name in ("a", "b")
    ]
    behind = np.array([3, 1], dtype).tobytes() + np.array([0, 2], dtype).tobytes()
    response = post(tabular_server, {"inputs": inputs}, behind)
    assert response.status_code == 200, response.text
    assert [json.loads(row)[0]["label"] for row in response.json()["outputs"][1]["data"]] == ["red", "green"]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ([b"\xff\xfe"], "not UTF-8"),
        ([b"red", b"blue"], "2 values; shape [1] means 1"),
        ([b""], None),
        (["grün".encode()], None),
    ],
)
def test_binary_text_is_utf_8(text_server: Server, values: list[bytes], says: str | None) -> None:
    behind = lengths_and_values(values)
    tensor = {"name": "text", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": len(behind)}}
    response = post(text_server, {"inputs": [tensor]}, behind)
    assert response.status_code == (200 if says is None else 400), response.text
    assert says is None or says in response.json()["error"]


def test_bytes_that_belong_to_no_input_are_400(text_server: Server) -> None:
    response = post(text_server, {"inputs": [TEXT]}, b"more")
    assert response.status_code == 400
    assert "belong to no input" in response.json()["error"]


def test_half_of_a_surrogate_pair_is_400(text_server: Server) -> None:
    body = b'{"inputs":[{"name":"text","datatype":"BYTES","shape":[1],"data":["\\ud800"]}]}'
    assert text_server.http.post("/v2/models/colours/infer", content=body).status_code == 400


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "gzip, identity"])
def test_compressed_bodies_are_415(text_server: Server, coding: str) -> None:
    response = post(text_server, {"inputs": [TEXT]}, coding=coding)
    assert response.status_code == 415
    assert response.headers["accept-encoding"] == "identity"
    assert post(text_server, {"inputs": [TEXT]}, coding="identity").status_code == 200


@pytest.mark.parametrize("path", ["/v2/health/live", "/v2/health/ready", "/v2", "/v2/models/colours/ready", "/metrics"])
def test_head_is_get_without_a_body(text_server: Server, path: str) -> None:
    got, headed = text_server.http.get(path), text_server.http.head(path)
    assert (headed.status_code, headed.content) == (got.status_code, b"")
    assert headed.headers["content-type"] == got.headers["content-type"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/v2/health/live", "GET, HEAD"),
        ("DELETE", "/v2/models/colours", "GET, HEAD"),
        ("OPTIONS", "/v2/models/colours/infer", "POST"),
        ("GET", "/v2/models/colours/versions/v1/infer", "POST"),
    ],
)
def test_another_method_is_405_and_says_which_are_allowed(
    text_server: Server, method: str, path: str, allowed: str
) -> None:
    response = text_server.http.request(method, path)
    assert (response.status_code, response.headers["allow"]) == (405, allowed)


def test_our_client_takes_no_answer_of_another_version() -> None:
    class Other(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            tensors = [
                {"name": "probabilities", "shape": [1, 1], "data": [1.0]},
                {"name": "labels", "shape": [1], "data": ['[{"label": "red", "score": 1}]']},
            ]
            content = json.dumps({"model_version": "v1", "outputs": tensors}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        with InferenceClient(f"http://127.0.0.1:{http.server_port}", "colours") as client:
            assert client.infer([{"text": "red"}]).model_version == "v1"
            assert client.infer([{"text": "red"}], "v1").model_version == "v1"
            with pytest.raises(RequestFailedError, match="version 'v1' answered"):
                client.infer([{"text": "red"}], "v2")
        http.shutdown()
