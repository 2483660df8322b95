"""Predictions over HTTP."""

import asyncio
import base64
import io
import json
import os
import signal
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from fastapi.testclient import TestClient
from PIL import Image

import aft
from aft.errors import RunError, UsageError
from aft.serving import Batcher, Limits, QueueFullError, make_app
from tests.cli.test_cli import aft_command  # noqa: F401 - the fixture
from tests.conftest import wait_until
from tests.predictors import Lengths, Sides
from tests.serving.served import export_small, serving


class Counted(Lengths):
    """Remembers its batches, and fails at one text."""

    def __init__(self):
        self.batches = []

    def predict(self, inputs):
        self.batches.append(len(inputs))
        if "fail" in inputs:
            raise RuntimeError("it fails")
        return super().predict(inputs)


class Gated(Counted):
    """Computes nothing before its gate is opened."""

    def __init__(self):
        super().__init__()
        self.gate = threading.Event()

    def predict(self, inputs):
        self.gate.wait(60)
        return super().predict(inputs)


class Both(Sides):
    """The same for images with texts."""

    modality = ("image", "text")

    def predict(self, inputs):
        return super().predict([image for image, _ in inputs])


class Pairs(Lengths):
    """The same for pairs of texts."""

    modality = ("text", "text")

    def predict(self, inputs):
        return super().predict([one + two for one, two in inputs])


def picture(width, height):
    """An encoded image."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height)).save(buffer, "PNG")
    return buffer.getvalue()


def labels(response):
    """The labels of a response."""
    assert response.status_code == 200, response.text
    return [one["label"] for one in response.json()["predictions"]]


def test_texts():
    with TestClient(make_app(Lengths(), "lengths")) as client:
        response = client.post("/predict", json={"inputs": ["abc", "rather long"]})
        assert labels(response) == ["short", "long"]
        assert sum(response.json()["predictions"][0]["probabilities"].values()) == pytest.approx(1)
        assert labels(client.post("/predict", json=["abc"])) == ["short"]
        health = client.get("/health").json()
        assert health == {
            "status": "ok",
            "model": "lengths",
            "inputs": "text",
            "classes": ["long", "short"],
            "waiting": 0,
        }
        metrics = client.get("/metrics").text
        assert 'aft_requests_total{status="200"} 2.0' in metrics
        assert "aft_inputs_total 3.0" in metrics
        schema = client.get("/openapi.json").json()["paths"]["/predict"]["post"]
        assert schema["requestBody"]["content"]["application/json"]["schema"]["properties"]["inputs"]["items"] == {
            "type": "string"
        }
        assert {"413", "422", "503", "504"} <= set(schema["responses"])
        assert 'data-kind="text"' in client.get("/").text


def test_pairs_images_and_both():
    wide, high = picture(9, 3), picture(3, 9)
    encoded = [base64.b64encode(one).decode() for one in (wide, high)]
    with TestClient(make_app(Pairs(), "pairs")) as client:
        assert labels(client.post("/predict", json={"inputs": [["ab", "c"], ["abc", "def"]]})) == ["short", "long"]
        assert (
            "input 0 cannot be used: it is not a pair of texts"
            in client.post("/predict", json={"inputs": ["ab"]}).json()["error"]
        )
    with TestClient(make_app(Sides(), "sides")) as client:
        assert labels(client.post("/predict", json={"inputs": encoded})) == ["long", "short"]
        assert labels(client.post("/predict", json={"inputs": [f"data:image/png;base64,{encoded[0]}"]})) == ["long"]
        assert labels(client.post("/predict", files=[("images", high), ("images", wide)])) == ["short", "long"]
        for wrong in ("/etc/passwd", "../x.png", 7, None, base64.b64encode(b"nothing").decode()):
            response = client.post("/predict", json={"inputs": [encoded[0], wrong]})
            assert response.status_code == 422
            assert response.json()["error"].startswith("input 1 cannot be used: ")
        assert client.post("/predict", files=[("images", b"nothing")]).status_code == 422
    with TestClient(make_app(Both(), "both")) as client:
        inputs = [{"image": one, "text": "a caption"} for one in encoded]
        assert labels(client.post("/predict", json={"inputs": inputs})) == ["long", "short"]
        assert labels(client.post("/predict", files=[("images", wide)], data={"texts": "a caption"})) == ["long"]
        assert "received 1 files and 0 texts" in client.post("/predict", files=[("images", wide)]).json()["error"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "a request is JSON or a form"),
        (b"\xff", "a request is JSON or a form"),
        (b"{}", "a request holds a list of inputs; received none"),
        (b"null", "a request holds a list of inputs; received none"),
        (b"7", "a request holds a list of inputs; received a number"),
        (b'{"inputs": []}', "a request holds a list of inputs; received an empty list"),
        (b'{"inputs": "text"}', "a request holds a list of inputs; received a string"),
        (b'{"texts": ["text"]}', "received an object with 'texts' and without 'inputs'; send"),
        (b'{"inputs": ["fine", ""]}', "input 1 cannot be used: the text is empty"),
        (b'{"inputs": [1]}', "input 0 cannot be used: it is not a text"),
        (b'{"inputs": ["\\ud800"]}', "input 0 cannot be used: the text holds half of a surrogate pair"),
    ],
)
def test_bad_inputs_are_said(body, message):
    with TestClient(make_app(Lengths(), "lengths")) as client:
        response = client.post("/predict", content=body, headers={"Content-Type": "application/json"})
        assert response.status_code == 422
        assert message in response.json()["error"]
        assert labels(client.post("/predict", json={"inputs": ["fine"]})) == ["short"]


def test_an_address_that_does_not_exist_is_said():
    with TestClient(make_app(Lengths(), "lengths")) as client:
        for response, status in ((client.get("/predict"), 405), (client.get("/nothing"), 404)):
            assert response.status_code == status
            assert response.json()["error"].startswith("the server answers POST /predict, GET /health")
        assert client.get("/predict").headers["allow"] == "POST"


def test_limits():
    limits = Limits(inputs=3, bytes=200)
    model = Counted()
    with TestClient(make_app(model, "lengths", limits), raise_server_exceptions=False) as client:
        response = client.post("/predict", json={"inputs": ["a"] * 4})
        assert (response.status_code, "at most 3 inputs; received 4" in response.text) == (413, True)
        response = client.post("/predict", json={"inputs": ["a" * 300]})
        assert (response.status_code, "at most 200 bytes; received 3" in response.text) == (413, True)
        response = client.post("/predict", content=iter([b'{"inputs": ["a"]}']))
        assert (response.status_code, "states its length" in response.text) == (411, True)
        response = client.post("/predict", json={"inputs": ["fail"]})
        assert (response.status_code, "met an error of the server's" in response.json()["error"]) == (500, True)
        chunked = client.post(
            "/predict", content=b'{"inputs": ["a"]}', headers={"Transfer-Encoding": "chunked", "Content-Length": "5"}
        )
        assert chunked.status_code == 411
        metrics = client.get("/metrics").text
        assert 'aft_requests_total{status="500"} 1.0' in metrics
        assert labels(client.post("/predict", json={"inputs": ["a"]})) == ["short"]


def test_an_answer_that_takes_too_long_is_given_up():
    model = Gated()
    with TestClient(make_app(model, "lengths", Limits(seconds=0.2))) as client:
        response = client.post("/predict", json={"inputs": ["a"]})
        model.gate.set()
        assert (response.status_code, "takes at most 0.2 seconds" in response.text) == (504, True)


def test_images_that_unpack_to_too_much_and_programs_are_refused(monkeypatch):
    with TestClient(make_app(Sides(), "sides")) as client:
        bomb = base64.b64encode(picture(6000, 5000)).decode()
        response = client.post("/predict", json={"inputs": [bomb]})
        assert (response.status_code, "at most 25,000,000 pixels" in response.text) == (422, True)
        large = base64.b64encode(picture(4900, 5000)).decode()
        response = client.post("/predict", json={"inputs": [large] * 5})
        assert (response.status_code, "input 4 cannot be used" in response.text) == (422, True)
        program = base64.b64encode(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n").decode()
        assert "it is not an image of one of the formats" in client.post("/predict", json={"inputs": [program]}).text
        answer = client.post("/predict", content=b"nothing", headers={"Content-Type": "multipart/form-data"})
        assert (answer.status_code, "is JSON or a form" in answer.json()["error"]) == (422, True)


def test_an_input_that_fails_does_not_harm_the_others_of_its_batch():
    async def run():
        model = Counted()
        batcher = Batcher(model.predict, Limits(wait_ms=50))
        batcher.start()
        good, bad = asyncio.create_task(batcher.submit(["fine"])), asyncio.create_task(batcher.submit(["fail"]))
        assert [one.label for one in await good] == ["short"]
        with pytest.raises(RuntimeError, match="it fails"):
            await bad
        await batcher.stop()

    asyncio.run(run())


@pytest.mark.parametrize(
    "limit", [{"batch": 0}, {"queue": -1}, {"seconds": 0}, {"wait_ms": -1}, {"bytes": float("nan")}]
)
def test_limits_let_something_through(limit):
    with pytest.raises(UsageError, match="a limit of a server is a positive number; received"):
        Limits(**limit)


def test_requests_share_batches_and_a_full_queue_refuses():
    model = Gated()
    with TestClient(make_app(model, "lengths", Limits(batch=8, queue=16))) as client, ThreadPoolExecutor(40) as pool:
        requests = [pool.submit(client.post, "/predict", json={"inputs": [f"text {n}"]}) for n in range(40)]
        wait_until(lambda: sum(request.done() for request in requests) >= 16)  # one batch and the queue hold up to 24
        model.gate.set()
        answers = [request.result() for request in requests]
        accepted = [answer for answer in answers if answer.status_code == 200]
        refused = [answer for answer in answers if answer.status_code != 200]
        assert len(accepted) >= 17
        assert len(refused) >= 16
        assert {(answer.status_code, answer.headers["Retry-After"]) for answer in refused} == {(503, "1")}
        assert sum(model.batches) == len(accepted)
        assert max(model.batches) == 8
        assert len(model.batches) < len(accepted)
        assert labels(client.post("/predict", json={"inputs": ["later"]})) == ["short"]


@pytest.fixture
def exported(tmp_path):
    """An exported model of texts."""
    return export_small(tmp_path)


def test_the_command_serves_without_torch_and_stops_cleanly(exported, free_port):
    code = "import sys; sys.modules['torch'] = None; from aft.cli import main; main()"
    with serving([sys.executable, "-c", code, "serve", exported], free_port()) as (process, url):
        expected = [one.label for one in aft.ExportedModel(exported).predict([f"a lovely film {n}" for n in range(30)])]
        answers = {}

        def ask(n):
            answers[n] = httpx.post(f"{url}/predict", json={"inputs": [f"a lovely film {n}"]}, timeout=30).json()[
                "predictions"
            ][0]["label"]

        threads = [threading.Thread(target=ask, args=(n,)) for n in range(30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [answers[n] for n in range(30)] == expected
        os.kill(process.pid, signal.SIGTERM)
        _, err = process.communicate(timeout=120)
    assert process.returncode in (0, -signal.SIGTERM, 143)
    assert err.splitlines()[0].startswith(url)
    assert "Traceback" not in err


def test_a_port_that_is_taken_is_said_in_one_sentence(exported, aft_command):  # noqa: F811
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, _, err = aft_command("serve", exported, "--port", port)
    assert status == 2
    assert "a server needs an address of this machine and a free port" in err
    assert "http://" not in err


def test_what_has_been_accepted_is_answered_before_the_end():
    async def run():
        batcher = Batcher(lambda inputs: [2 * value for value in inputs], Limits(batch=1, wait_ms=20))
        batcher.start()
        accepted = asyncio.gather(*(batcher.submit([n]) for n in range(5)))
        await asyncio.sleep(0)
        await batcher.stop()
        assert await accepted == [[0], [2], [4], [6], [8]]
        with pytest.raises(QueueFullError):
            await batcher.submit([1])

    asyncio.run(run())


def test_inputs_of_requests_that_were_given_up_are_not_computed():
    async def run():
        seen = []
        batcher = Batcher(lambda inputs: seen.extend(inputs) or list(inputs), Limits(wait_ms=50))
        batcher.start()
        given_up = asyncio.create_task(batcher.submit(["a"]))
        kept = asyncio.create_task(batcher.submit(["b"]))
        await asyncio.sleep(0.01)
        given_up.cancel()
        assert await kept == ["b"]
        await batcher.stop()
        assert seen == ["b"]

    asyncio.run(run())


def test_arrays_are_not_served(tmp_path, monkeypatch):
    from aft.serving import serve

    with pytest.raises(RunError):
        serve(tmp_path)
    monkeypatch.setattr("aft.serving._serve._load", lambda *_: type("Model", (), {"modality": ("array",)})())
    with pytest.raises(UsageError, match="takes texts and images; this model takes arrays"):
        serve(tmp_path)


def test_the_schema_is_json(exported):
    with TestClient(make_app(aft.ExportedModel(exported), "exported")) as client:
        assert json.loads(client.get("/openapi.json").text)["info"]["title"] == "aft: exported"
        assert len(labels(client.post("/predict", json={"inputs": ["a lovely film"]}))) == 1
