"""Which extra installs a package that is missing."""

from aft.errors import MissingExtraError

_EXTRAS = {
    "torch": "torch",
    "cloudpickle": "torch",
    "safetensors": "torch",
    "lightning": "train",
    "sklearn": "train",
    "scipy": "train",
    "tensorboard": "train",
    "timm": "vision",
    "PIL": "vision",
    "transformers": "text",
    "tokenizers": "text",
    "gguf": "gguf",
    "accelerate": "gguf",
    "open_clip": "open-clip",
    "pyarrow": "tables",
    "datasets": "hub",
    "huggingface_hub": "hub",
    "jinja2": "report",
    "onnxruntime": "runtime",
    "fastapi": "serve",
    "uvicorn": "serve",
}


def missing_extra(error: ModuleNotFoundError, what: str) -> Exception:
    """The error to raise where a package is missing.

    Args:
        error: What Python has raised.
        what: What needs the package.

    Returns:
        An error that names the extra; the same error if no extra installs the package.
    """
    missing = (error.name or "").partition(".")[0]
    if missing not in _EXTRAS:
        return error
    return MissingExtraError(
        f"{what} needs {missing}, which is not installed; run pip install 'adaptive-feature-transfer[{_EXTRAS[missing]}]'"
    )
