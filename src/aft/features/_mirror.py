"""A store in object storage: downloaded file by file, each verified, and uploaded in the order of commits."""

import fcntl
import hashlib
import math
import re
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from aft.core import cache_dir, file_sha256, file_system
from aft.errors import AftError, CorruptStoreError, StoreError, name_some
from aft.features._commit import write_file
from aft.features._corrupt import corrupt
from aft.features._layout import Layout
from aft.features._records import File, Manifest, Plan, PlannedShard, ShardRecord

#: Number of files that are transferred in parallel.
CONNECTIONS = 8
#: Names of a store's files. Other files under the same address are left alone.
STORE_FILES = re.compile(r"plan\.json|manifest\.json|shard-\d{6,}(\.ids\.jsonl|\.npy|\.json)|index-[0-9a-f]{16}\.npy")
#: Bytes per read.
CHUNK = 1 << 20
T = TypeVar("T")
D = TypeVar("D", Plan, ShardRecord, Manifest)


class Mirror:
    """The copy of a store in object storage, in the cache directory of this machine.

    A downloaded file is trusted only if its digest is the one in the plan, the commit record or the manifest.
    Files are uploaded in the order in which they are committed, so that a record never refers to missing
    data.

    Args:
        url: Address of the store.

    Raises:
        MissingExtraError: fsspec, or its package for this kind of address, is not installed.
        StoreError: fsspec does not support the address.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        path = self.url.partition("://")[2]
        try:
            self._remote, self._root = file_system(self.url)
        except ValueError as error:
            raise StoreError(
                f"a store's address must be one that fsspec supports; received {url!r} ({error}); "
                "write s3://BUCKET/PATH"
            ) from error
        digest = hashlib.sha256(self.url.encode()).hexdigest()[:16]
        self.layout = Layout(cache_dir() / "stores" / digest / path.rpartition("/")[2])

    def pull(self) -> None:
        """Download what is committed in object storage and missing here, whether or not the store is finished.

        Object storage is authoritative: a local copy of another plan is discarded.

        Raises:
            CorruptStoreError: A file there is not what was written; its address is named.
            StoreError: Object storage does not respond, or the cache directory is full.
        """
        self.layout.directory.parent.mkdir(parents=True, exist_ok=True)
        with _lock(self.layout.directory.parent):
            self._pull()

    def _pull(self) -> None:
        layout, sizes = self.layout, self._sizes()
        if layout.plan.name not in sizes:
            if layout.directory.exists():
                shutil.rmtree(layout.directory)
            return
        layout.directory.mkdir(parents=True, exist_ok=True)
        plan = self._read_document(layout.plan, Plan)
        known: set[File] = set()
        if layout.plan.exists():
            if self._is_extension(plan):
                known = {shard.ids for shard in Plan.read(layout.plan).shards if shard is not None}
            else:
                shutil.rmtree(layout.directory)
                layout.directory.mkdir(parents=True)
        shards = [(number, shard) for number, shard in enumerate(plan.shards) if shard is not None]
        self._in_parallel([(self._download, layout.ids(n), shard.ids, shard.ids in known) for n, shard in shards])
        _save(layout.plan, plan)
        committed = [number for number, _ in shards if layout.record(number).name in sizes]
        records = self._in_parallel([(self._read_document, layout.record(n), ShardRecord) for n in committed])
        pairs = list(zip(committed, records, strict=True))
        # Two machines may round differently, so data of another commit can have the same size.
        self._in_parallel([(self._download, layout.data(n), r.data, _is_saved(layout.record(n), r)) for n, r in pairs])
        for number, record in pairs:  # only now: a record asserts that its data is here
            _save(layout.record(number), record)
        if layout.manifest.name in sizes:
            manifest = self._read_document(layout.manifest, Manifest)
            trusted = _is_saved(layout.manifest, manifest)
            self._download(layout.index(manifest.index.sha256), manifest.index, trusted)
            _save(layout.manifest, manifest)

    def refuse_foreign_files(self, overwrite: bool) -> None:
        """Check that a new store does not share its address with other files.

        Args:
            overwrite: Whether the files of a store that has lost its plan may be replaced.

        Raises:
            StoreError: There are other files under the address.
        """
        sizes = self._sizes()
        if self.layout.plan.name in sizes:
            return
        # An interruption may leave id files without a plan. Anything else is replaced only on request.
        foreign = [n for n in sizes if not STORE_FILES.fullmatch(n) or not (overwrite or n.endswith(".ids.jsonl"))]
        if foreign:
            raise StoreError(
                f"a new store needs an address without other files; {self.url!r} contains "
                f"{name_some(sorted(foreign))}; choose another out= or another name for the store"
            )

    def clear(self) -> None:
        """Remove the store from object storage and from this machine."""
        self._remove_all([name for name in self._sizes() if STORE_FILES.fullmatch(name)])
        if self.layout.directory.exists():
            shutil.rmtree(self.layout.directory)

    def push_plan(self) -> None:
        """Upload the plan and the ids of its shards, and remove what the plan no longer contains."""
        layout, sizes = self.layout, self._sizes()
        plan = Plan.read(layout.plan)
        before: list[PlannedShard | None] = []
        replaced = True
        if layout.plan.name in sizes:
            uploaded = self._read_document(layout.plan, Plan)
            if uploaded == plan:
                self._push_commits(sizes)
                return
            before, replaced = uploaded.shards, uploaded.model_copy(update={"shards": plan.shards}) != plan
        obsolete = (
            {name for name in sizes if STORE_FILES.fullmatch(name)} if replaced else self._abandoned(plan, before)
        )
        self._remove_all([name for name in sizes if name in obsolete])
        for number, shard in enumerate(plan.shards):
            if shard is not None and (replaced or number >= len(before) or before[number] != shard):
                self._push(layout.ids(number).name)
        self._push(layout.plan.name)
        self._push_commits(self._sizes())

    def _abandoned(self, plan: Plan, before: list[PlannedShard | None]) -> set[str]:
        """Files of shards that only the uploaded plan contains. Others may be in progress on other machines."""
        layout, abandoned = self.layout, set[str]()
        for number, shard in enumerate(before):
            now = plan.shards[number] if number < len(plan.shards) else None
            if shard is not None and now != shard:
                abandoned |= {layout.record(number).name, layout.data(number).name}
                abandoned |= {layout.ids(number).name} if now is None else set()
        # A manifest that lists them would be wrong.
        return abandoned | ({layout.manifest.name} if abandoned else set())

    def push_shard(self, shard: int) -> None:
        """Upload a committed shard: its data, then its record."""
        self._push(self.layout.data(shard).name)
        self._push(self.layout.record(shard).name)

    def push_manifest(self) -> None:
        """Upload the index and the manifest of a finished store."""
        manifest, sizes = Manifest.read(self.layout.manifest), self._sizes()
        for listed in manifest.shards:
            files = (self.layout.data(listed.number), self.layout.record(listed.number))
            if any(path.name not in sizes for path in files):
                self.push_shard(listed.number)
        index = self.layout.index(manifest.index.sha256).name
        self._push(index)
        self._push(self.layout.manifest.name)
        for name in sizes:
            if STORE_FILES.fullmatch(name) and name.startswith("index-") and name != index:
                self._remove(name)

    def _push_commits(self, sizes: dict[str, int]) -> None:
        """Upload shards that an interruption has left committed on this machine only."""
        for path in sorted(self.layout.directory.glob("shard-*.json")):
            if path.name not in sizes:
                self._push(path.with_suffix(".npy").name)
                self._push(path.name)

    def _is_extension(self, plan: Plan) -> bool:
        """Whether a plan only adds shards to the local one."""
        try:
            local = Plan.read(self.layout.plan)
        except StoreError:
            return False
        return (
            plan.model_copy(update={"shards": local.shards}) == local
            and plan.shards[: len(local.shards)] == local.shards
        )

    def _sizes(self) -> dict[str, int]:
        """Names and sizes of the files under the address."""

        def listed() -> list[dict[str, Any]]:
            self._remote.invalidate_cache()
            try:
                found: list[dict[str, Any]] = self._remote.ls(self._root, detail=True)
            except FileNotFoundError:
                return []
            return found

        return {
            entry["name"].rpartition("/")[2]: entry["size"] for entry in self._call(listed) if entry["type"] == "file"
        }

    def _read_document(self, path: Path, kind: type[D]) -> D:
        return kind.decode(b"".join(self._chunks(path.name)), f"{self.url}/{path.name}")

    def _download(self, path: Path, expected: File, trusted: bool) -> None:
        """Download a file unless it exists here, with the right size and, if not trusted, the right digest."""
        complete = path.is_file() and not path.is_symlink() and path.stat().st_size == expected.bytes
        if complete and (trusted or file_sha256(path) == expected.sha256):
            return

        def check(size: int, sha256: str) -> None:
            if (size, sha256) != (expected.bytes, expected.sha256):
                raise self._corrupt(path.name)

        write_file(path, self._chunks(path.name, expected.bytes), check)

    def _chunks(self, name: str, limit: float = math.inf) -> Iterator[bytes]:
        """The content of a remote file, cut off soon after a number of bytes."""
        with self._explain_errors():
            try:
                file = self._remote.open(f"{self._root}/{name}", "rb")
            except FileNotFoundError as error:
                raise self._corrupt(name, "is missing") from error
        try:
            while True:
                with self._explain_errors():
                    chunk: bytes = file.read(CHUNK)
                if not chunk or limit < 0:
                    return
                limit -= len(chunk)
                yield chunk
        finally:
            file.close()

    def _push(self, name: str) -> None:
        path = self.layout.directory / name
        self._call(lambda: self._remote.put_file(str(path), f"{self._root}/{name}"))
        uploaded = self._call(lambda: self._remote.info(f"{self._root}/{name}", refresh=True))["size"]
        if uploaded != path.stat().st_size:
            raise StoreError(
                f"object storage must store every byte; '{self.url}/{name}' has {uploaded} of "
                f"{path.stat().st_size} bytes; run the same command again"
            )

    def _remove_all(self, names: list[str]) -> None:
        # In reverse order of commits: first the files that assert that others exist.
        for name in sorted(names, key=lambda name: (name != self.layout.manifest.name, not name.endswith(".json"))):
            self._remove(name)

    def _remove(self, name: str) -> None:
        self._call(lambda: self._remote.rm(f"{self._root}/{name}"))

    def _in_parallel(self, calls: list[tuple[Any, ...]]) -> list[Any]:
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            return [future.result() for future in [pool.submit(call, *arguments) for call, *arguments in calls]]

    def _call(self, function: Callable[[], T]) -> T:
        with self._explain_errors():
            return function()

    @contextmanager
    def _explain_errors(self) -> Iterator[None]:
        try:
            yield
        except AftError:
            raise
        except Exception as error:  # every kind of storage has its own exceptions
            raise StoreError(
                f"object storage must respond; received {type(error).__name__}: {error}, for {self.url!r}; "
                "check the address, the credentials and the network, and run the same command again"
            ) from error

    def _corrupt(self, name: str, problem: str = "does not match its checksum") -> CorruptStoreError:
        return corrupt(f"{self.url}/{name}", problem, "extract the features again with overwrite=True")


def _is_saved(path: Path, document: Plan | ShardRecord | Manifest) -> bool:
    """Whether this machine has a document, and hence the verified files that it refers to."""
    return path.is_file() and path.read_bytes() == document.encode()


@contextmanager
def _lock(directory: Path) -> Iterator[None]:
    """Let one process of this machine at a time change the copy."""
    with (directory / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _save(path: Path, document: Plan | ShardRecord | Manifest) -> None:
    if not _is_saved(path, document):
        write_file(path, [document.encode()])
