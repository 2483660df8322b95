"""Addresses in object storage."""

from typing import Any

from aft.errors import MissingExtraError


def is_url(location: object) -> bool:
    """Whether a location is in object storage: ``s3://bucket/path``, or another address for fsspec."""
    return isinstance(location, str) and "://" in location


def file_system(url: str) -> tuple[Any, str]:
    """The file system of fsspec that an address belongs to, and the path in it.

    Args:
        url: The address.

    Raises:
        MissingExtraError: fsspec, or its package for this kind of address, is not installed.
        ValueError: fsspec does not support the address.
    """
    try:
        import fsspec

        found: tuple[Any, str] = fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise MissingExtraError(
            f"{url.partition('://')[0]}:// needs a package of fsspec, which is not installed ({error}); "
            "for s3://, run pip install 'adaptive-feature-transfer[s3]'"
        ) from error
    return found
