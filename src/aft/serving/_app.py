"""The application: predictions, health, metrics and a page to try it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
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
from aft.serving._watched import Watched

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
        import uvicorn  # noqa: F401 - for serve
        from fastapi import FastAPI, Request
        from fastapi.responses import HTMLResponse, JSONResponse, Response
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
        from starlette.exceptions import HTTPException
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
    decoder = ThreadPoolExecutor(1, thread_name_prefix="aft-decode")
    modality = model.modality
    kind = next(key for key, value in MODALITIES.items() if value == modality)

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        batcher.start()
        yield
        await batcher.stop()
        decoder.shutdown()

    app = FastAPI(title=f"aft: {name}", version=__version__, lifespan=lifespan, description=_usage(kind))

    def observe(status: int, duration: float) -> None:
        requests.labels(str(status)).inc()
        seconds.observe(duration)

    app.add_middleware(Watched, limits=limits, observe=observe)

    def _error(status: int, message: str) -> Any:
        headers = {"Retry-After": str(RETRY_AFTER)} if status == 503 else None
        return JSONResponse({"error": message}, status, headers=headers)

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Any:
        """A path or a method that there is not, in the form of all other errors."""
        message = (
            f"the server answers POST /predict, GET /health, /metrics, /docs and /; received {request.method} "
            f"{request.url.path[:80]}; correct the address or the method"
        )
        return JSONResponse({"error": message}, error.status_code, headers=error.headers)

    async def _decoded(decode: Callable[[], list[Any]]) -> list[Any]:
        """What a request holds. One thread decodes images: what one unpacks to is bounded, and what many do at once would not be."""
        if "image" not in modality:
            return decode()
        return await asyncio.get_running_loop().run_in_executor(decoder, decode)

    @app.post("/predict", openapi_extra={"requestBody": _schema(kind)}, responses=_RESPONSES)
    async def predict(request: Request) -> Any:
        """Predict the inputs of a request: JSON ``{"inputs": [...]}``, or files named ``images`` (with ``texts``)."""
        try:
            async with asyncio.timeout(limits.seconds):
                count, decode = await _read(request)
                most = min(limits.inputs, limits.queue)
                if count > most:
                    return _error(413, f"a request has at most {most} inputs; received {count}; send fewer at a time")
                found = await batcher.submit(await _decoded(decode))
        except QueueFullError as error:
            return _error(503, str(error))
        except TimeoutError:
            return _error(
                504,
                f"a request takes at most {limits.seconds:g} seconds; it took longer; send fewer inputs, or try again",
            )
        except AftError as error:
            return _error(422, str(error))
        except (ValueError, HTTPException) as error:
            return _error(
                422, f"a request is JSON or a form of files; received neither ({first_sentence(error)}); correct it"
            )
        inputs.inc(len(found))
        return JSONResponse({"predictions": [_answer(one) for one in found]})

    async def _read(request: Any) -> tuple[int, Callable[[], list[Any]]]:
        """The number of inputs of a request, and a function that decodes them."""
        if request.headers.get("content-type", "").startswith("multipart/form-data"):
            async with request.form(max_files=limits.inputs + 1, max_fields=limits.inputs + 1) as form:
                images = [await file.read() for file in form.getlist("images") if hasattr(file, "read")]
                texts = [str(text) for text in form.getlist("texts")]
            return len(images), lambda: from_files(images, texts, modality)
        body = await request.json()
        values = body["inputs"] if isinstance(body, dict) and "inputs" in body else body
        return len(values) if isinstance(values, list) else 0, lambda: from_json(values, modality)

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
