"""The file of a table: on this machine, or at an address in object storage, of which only what is read is fetched."""

import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, TextIO

from aft.core import file_system, is_url
from aft.errors import AftError, DataError

#: Bytes that are read at once from a file whose whole content is wanted.
BUFFER = 1 << 20


class TableFile:
    """The file of a table.

    Args:
        location: Its path, or its address in object storage.

    Attributes:
        size: Its size in bytes.

    Raises:
        DataError: There is no such file, or object storage does not respond.
        MissingExtraError: The package for this kind of address is not installed.
    """

    def __init__(self, location: str | Path) -> None:
        self._location = str(location)
        self._remote: Any = None
        if is_url(location):
            with self._explain_errors():
                self._remote, self._place = file_system(self._location)
                self.size = int(self._remote.info(self._place)["size"] or 0)
            return
        path = Path(location)
        if not path.is_file():
            raise self._missing()
        self.size = path.stat().st_size

    @property
    def name(self) -> str:
        """Its name, without the folder."""
        return PurePosixPath(self._location).name if self._remote else Path(self._location).name

    @property
    def suffix(self) -> str:
        """The end of its name in lower case, with the dot."""
        return PurePosixPath(self.name).suffix.lower()

    def __str__(self) -> str:
        """Path or address."""
        return self._location

    @contextmanager
    def open(self, *, parts: bool = False) -> Iterator[BinaryIO]:
        """Open it to read bytes.

        Args:
            parts: Whether only parts of it are read, here and there: nothing beyond them is then fetched.
        """
        if self._remote is None:
            with Path(self._location).open("rb") as file:
                yield file
            return
        with self._explain_errors():
            remote = self._remote.open(self._place, "rb", **({"cache_type": "none"} if parts else {}))
        with _RemoteFile(remote, self._explain_errors) as raw, io.BufferedReader(raw, 1 if parts else BUFFER) as file:
            yield file

    @contextmanager
    def open_text(self, errors: str = "strict") -> Iterator[TextIO]:
        """Open it to read UTF-8, with or without a mark at the start, and with line ends as they are.

        Args:
            errors: What becomes of bytes that are not UTF-8; see `codecs.register_error`.
        """
        with self.open() as file, io.TextIOWrapper(file, encoding="utf-8-sig", errors=errors, newline="") as text:
            yield text

    def _missing(self) -> DataError:
        return DataError(
            f"a dataset is a table or a folder of images; there is no file {self._location!r}; check the path"
        )

    @contextmanager
    def _explain_errors(self) -> Iterator[None]:
        """Say what is wrong with an address, and that object storage does not respond."""
        try:
            yield
        except (AftError, MemoryError):
            raise
        except FileNotFoundError as error:
            raise self._missing() from error
        except ValueError as error:
            raise DataError(
                f"a table's address is one that fsspec supports; received {self._location!r} ({error}); write s3://BUCKET/PATH"
            ) from error
        except Exception as error:  # every kind of storage has its own exceptions
            raise DataError(
                f"object storage must respond; received {type(error).__name__}: {next(iter(str(error).splitlines()), '')}, for {self._location!r}; check the address, the "
                "credentials and the network"
            ) from error


class _RemoteFile(io.RawIOBase):
    """A file of fsspec whose errors are explained where they occur: those of its reader are others."""

    def __init__(self, file: Any, explain: Callable[[], AbstractContextManager[None]]) -> None:
        self._file, self._explain = file, explain

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def readinto(self, buffer: Any) -> int:
        with self._explain():
            content = self._file.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()
