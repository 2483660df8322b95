"""The application: predictions, health, metrics and a page to try it."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any

from aft.core import __version__, first_sentence
from aft.data import MODALITIES, modality_name
from aft.errors import AftError, MissingExtraError
from aft.runtime import Prediction
from aft.serving._batcher import Batcher, QueueFullError
from aft.serving._inputs import from_files, from_json
from aft.serving._limits import DEFAULTS, Limits

#: Seconds after which a client should come again when the queue is full.
RETRY_AFTER = 1
#: Upper ends of the classes of durations in the metrics, in seconds.
DURATIONS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


def make_app(model: Any, name: str, limits: Limits = DEFAULTS) -> Any:
    """Make the application that serves a model.

    Args:
        model: An `aft.Model` or an `aft.ExportedModel`.
        name: Its name, for the page and the health check.
        limits: What it accepts.

    Returns:
        An ASGI application.

    Raises:
        MissingExtraError: FastAPI is not installed.
    """
    try:
        from fastapi import FastAPI, Request
        from fastapi.responses import HTMLResponse, JSONResponse, Response
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
    except ImportError as error:
        raise MissingExtraError(
            "serving needs FastAPI, uvicorn and prometheus-client, which are not installed; run pip install 'adaptive-feature-transfer[serve]'"
        ) from error

    registry = CollectorRegistry()
    requests = Counter("aft_requests", "Requests for predictions by status.", ["status"], registry=registry)
    inputs = Counter("aft_inputs", "Inputs that were predicted.", registry=registry)
    seconds = Histogram("aft_request_seconds", "Duration of requests.", registry=registry, buckets=DURATIONS)
    sizes = Histogram("aft_batch_size", "Inputs in a batch.", registry=registry, buckets=[2**n for n in range(9)])
    batcher = Batcher(lambda part: list(model.predict(part)), limits, sizes.observe)
    Gauge("aft_queue", "Inputs that wait.", registry=registry).set_function(lambda: batcher.waiting)
    modality = model.modality
    kind = next(key for key, value in MODALITIES.items() if value == modality)

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        batcher.start()
        yield
        await batcher.stop()

    app = FastAPI(title=f"aft: {name}", version=__version__, lifespan=lifespan, description=_usage(kind))

    @app.middleware("http")
    async def limited(request: Request, proceed: Callable[[Request], Awaitable[Any]]) -> Any:
        if request.url.path != "/predict" or request.method != "POST":
            return await proceed(request)
        started = time.perf_counter()
        response = await _refused(request, limits) or await proceed(request)
        requests.labels(str(response.status_code)).inc()
        seconds.observe(time.perf_counter() - started)
        return response

    async def _refused(request: Any, limits: Limits) -> Any:
        length = request.headers.get("content-length", "")
        if not length.isdigit():
            return _error(411, "a request states its length; received none; send the header Content-Length")
        if int(length) > limits.bytes:
            return _error(
                413, f"a request has at most {limits.bytes} bytes; received {length}; send fewer inputs at a time"
            )
        return None

    def _error(status: int, message: str) -> Any:
        headers = {"Retry-After": str(RETRY_AFTER)} if status == 503 else None
        return JSONResponse({"error": message}, status, headers=headers)

    @app.post("/predict", openapi_extra={"requestBody": _schema(kind)}, responses=_RESPONSES)
    async def predict(request: Request) -> Any:
        """Predict the inputs of a request: JSON ``{"inputs": [...]}``, or files named ``images`` (with ``texts``)."""
        try:
            received = await _read(request)
        except (AftError, ValueError) as error:
            message = (
                str(error)
                if isinstance(error, AftError)
                else f"a request is JSON or a form; received neither ({first_sentence(error)})"
            )
            return _error(422, message)
        if len(received) > limits.inputs:
            return _error(
                413, f"a request has at most {limits.inputs} inputs; received {len(received)}; send fewer at a time"
            )
        try:
            async with asyncio.timeout(limits.seconds):
                found = await batcher.submit(received)
        except QueueFullError as error:
            return _error(503, str(error))
        except TimeoutError:
            return _error(
                504,
                f"a request takes at most {limits.seconds:g} seconds; it took longer; send fewer inputs, or try again",
            )
        except AftError as error:
            return _error(422, str(error))
        inputs.inc(len(found))
        return JSONResponse({"predictions": [_answer(one) for one in found]})

    async def _read(request: Any) -> list[Any]:
        if request.headers.get("content-type", "").startswith("multipart/form-data"):
            async with request.form(max_files=limits.inputs + 1, max_fields=limits.inputs + 1) as form:
                images = [await file.read() for file in form.getlist("images") if hasattr(file, "read")]
                return await asyncio.to_thread(
                    from_files, images, [str(text) for text in form.getlist("texts")], modality
                )
        body = await request.json()
        values = body.get("inputs") if isinstance(body, dict) else body
        return await asyncio.to_thread(from_json, values, modality)

    @app.get("/health")
    async def health() -> dict[str, Any]:
        """Whether the server answers, and which model it serves."""
        return {
            "status": "ok",
            "model": name,
            "inputs": kind,
            "classes": list(model.targets.classes),
            "waiting": batcher.waiting,
        }

    @app.get("/metrics")
    async def metrics() -> Response:
        """Counters and durations, as Prometheus reads them."""
        return Response(generate_latest(registry), media_type="text/plain; version=0.0.4")

    @app.get("/", include_in_schema=False)
    async def page() -> HTMLResponse:
        template = files("aft.serving").joinpath("page.html").read_text(encoding="utf-8")
        return HTMLResponse(template.replace("{{ kind }}", kind).replace("{{ inputs }}", modality_name(modality)))

    return app


def _answer(prediction: Prediction) -> dict[str, Any]:
    return {
        "label": prediction.label,
        **({"probabilities": prediction.probabilities} if prediction.probabilities else {}),
    }


def _usage(kind: str) -> str:
    return f"Send inputs ({kind}) to /predict."


#: One input of each kind, as a JSON schema.
_ONE: dict[str, dict[str, Any]] = {
    "text": {"type": "string"},
    "pair": {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2},
    "image": {"type": "string", "contentEncoding": "base64"},
    "image+text": {
        "type": "object", "required": ["image", "text"],
        "properties": {"image": {"type": "string", "contentEncoding": "base64"}, "text": {"type": "string"}},
    },
}  # fmt: skip
_RESPONSES: dict[int | str, dict[str, Any]] = {
    413: {"description": "Too large, or too many inputs."}, 422: {"description": "An input cannot be used; it is named."},
    503: {"description": "Too many inputs are waiting; see Retry-After."}, 504: {"description": "It took too long."},
}  # fmt: skip


def _schema(kind: str) -> dict[str, Any]:
    """The body of a request, for OpenAPI."""
    own = {
        "type": "object",
        "required": ["inputs"],
        "properties": {"inputs": {"type": "array", "items": _ONE.get(kind, {})}},
    }
    content: dict[str, Any] = {"application/json": {"schema": own}}
    if "image" in kind:
        file = {"type": "array", "items": {"type": "string", "format": "binary"}}
        content["multipart/form-data"] = {
            "schema": {
                "type": "object",
                "properties": {"images": file, "texts": {"type": "array", "items": {"type": "string"}}},
            }
        }
    return {"required": True, "content": content}
