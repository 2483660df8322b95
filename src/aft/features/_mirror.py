"""A store in object storage: copied to this machine file by file, each checked; written in the order of commits."""

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

from aft.core import cache_dir
from aft.errors import AftError, CorruptStoreError, MissingExtraError, StoreError, name_some
from aft.features._commit import write_file
from aft.features._layout import Layout
from aft.features._records import File, Manifest, Plan, PlannedShard, ShardRecord

#: Files that are copied side by side.
CONNECTIONS = 8
#: Names that a store gives; other files of its folder are nobody's business.
OURS = re.compile(r"plan\.json|manifest\.json|shard-\d{6,}(\.ids\.jsonl|\.npy|\.json)|index-[0-9a-f]{16}\.npy")
#: Bytes that are read at a time.
CHUNK = 1 << 20
T = TypeVar("T")
D = TypeVar("D", Plan, ShardRecord, Manifest)


def is_url(place: str | Path) -> bool:
    """Whether a store lies in object storage: ``s3://bucket/folder``, or any address that fsspec knows."""
    return isinstance(place, str) and "://" in place


def inside(place: str | Path, name: str) -> str | Path:
    """A folder's entry, of a file system or of object storage."""
    return f"{place.rstrip('/')}/{name}" if isinstance(place, str) and is_url(place) else Path(place) / name


def local_copy(place: str | Path) -> Layout:
    """Where the files of a store can be read: its folder; of one in object storage a copy, brought up to date."""
    if not is_url(place):
        return Layout(Path(place))
    mirror = Mirror(str(place))
    mirror.pull()
    return mirror.layout


def local_folder(place: str | Path) -> Path:
    """The folder on this machine that a store, or its copy, is in."""
    return Mirror(str(place)).layout.folder if is_url(place) else Path(place)


class Mirror:
    """This machine's copy of a store in object storage, in the cache folder.

    What comes from there is believed when its digest is that of the record before it: the plan's, the commit's, the manifest's. What goes
    there goes in the order in which it is committed, so that a record never stands for data that is not there yet.

    Args:
        url: Address of the store's folder.

    Raises:
        MissingExtraError: fsspec, or its package for this kind of address, is not installed.
        StoreError: An address that it does not know.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        kind, _, rest = self.url.partition("://")
        try:
            import fsspec

            self._remote, self._root = fsspec.core.url_to_fs(self.url)
        except ImportError as error:
            raise MissingExtraError(
                f"{kind}:// needs a package of fsspec ({error}); pip install 'adaptive-feature-transfer[s3]' for s3://"
            ) from error
        except ValueError as error:
            raise StoreError(
                f"a store's address is one that fsspec knows; received {url!r} ({error}); write s3://BUCKET/FOLDER"
            ) from error
        digest = hashlib.sha256(self.url.encode()).hexdigest()[:16]
        self.layout = Layout(cache_dir() / "stores" / digest / rest.rpartition("/")[2])

    def pull(self) -> None:
        """Bring what is committed there, finished or not, and is not here.

        A copy of another plan is given up: object storage is what counts.

        Raises:
            CorruptStoreError: A file there is not what was written to it; its address is named.
            StoreError: Object storage does not answer, or the cache folder has no room.
        """
        self.layout.folder.parent.mkdir(parents=True, exist_ok=True)
        with _alone(self.layout.folder.parent):
            self._pull()

    def _pull(self) -> None:
        layout, sizes = self.layout, self._sizes()
        if layout.plan.name not in sizes:
            if layout.folder.exists():
                shutil.rmtree(layout.folder)
            return
        layout.folder.mkdir(parents=True, exist_ok=True)
        plan = self._document(layout.plan, Plan)
        known: set[File] = set()
        if layout.plan.exists():
            if self._grew(plan):
                known = {shard.ids for shard in Plan.read(layout.plan).shards if shard is not None}
            else:
                shutil.rmtree(layout.folder)
                layout.folder.mkdir(parents=True)
        shards = [(number, shard) for number, shard in enumerate(plan.shards) if shard is not None]
        self._side_by_side([(self._file, layout.ids(n), shard.ids, shard.ids in known) for n, shard in shards])
        _keep(layout.plan, plan)
        done = [number for number, _ in shards if layout.record(number).name in sizes]
        records = self._side_by_side([(self._document, layout.record(number), ShardRecord) for number in done])
        pairs = list(zip(done, records, strict=True))
        # Data of another commit has the same size: two machines may round differently.
        self._side_by_side([(self._file, layout.data(n), r.data, _has(layout.record(n), r)) for n, r in pairs])
        for number, record in pairs:  # a record says that the data is there
            _keep(layout.record(number), record)
        if layout.manifest.name in sizes:
            manifest = self._document(layout.manifest, Manifest)
            trusted = _has(layout.manifest, manifest)
            self._file(layout.index(manifest.index.sha256), manifest.index, trusted)
            _keep(layout.manifest, manifest)

    def refuse_others(self, overwrite: bool) -> None:
        """See that a new store gets a folder to itself.

        Args:
            overwrite: Whether a store that has lost its plan may go.

        Raises:
            StoreError: The folder there holds other things.
        """
        sizes = self._sizes()
        if self.layout.plan.name in sizes:
            return
        # Ids without a plan are what an interruption leaves; without --overwrite anything else was somebody's.
        others = [n for n in sizes if not OURS.fullmatch(n) or not (overwrite or n.endswith(".ids.jsonl"))]
        if others:
            raise StoreError(
                f"a feature store has a folder to itself; {self.url!r} holds {name_some(sorted(others))}; choose another --out or NAME"
            )

    def clear(self) -> None:
        """Remove the store, there and here."""
        self._remove_all([name for name in self._sizes() if OURS.fullmatch(name)])
        if self.layout.folder.exists():
            shutil.rmtree(self.layout.folder)

    def push_plan(self) -> None:
        """Bring this machine's plan there, with the ids of its shards, and take away what it no longer has."""
        layout, sizes = self.layout, self._sizes()
        plan = Plan.read(layout.plan)
        before: list[PlannedShard | None] = []
        replaced = True
        if layout.plan.name in sizes:
            there = self._document(layout.plan, Plan)
            if there == plan:
                self._push_commits(sizes)
                return
            before, replaced = there.shards, there.model_copy(update={"shards": plan.shards}) != plan
        gone = {name for name in sizes if OURS.fullmatch(name)} if replaced else self._given_up(plan, before)
        self._remove_all([name for name in sizes if name in gone])
        for number, shard in enumerate(plan.shards):
            if shard is not None and (replaced or number >= len(before) or before[number] != shard):
                self._push(layout.ids(number).name)
        self._push(layout.plan.name)
        self._push_commits(self._sizes())

    def _given_up(self, plan: Plan, before: list[PlannedShard | None]) -> set[str]:
        """Files of shards that the plan there had, and this one has not; other machines may be at work on the rest."""
        layout, gone = self.layout, set[str]()
        for number, shard in enumerate(before):
            now = plan.shards[number] if number < len(plan.shards) else None
            if shard is not None and now != shard:
                gone |= {layout.record(number).name, layout.data(number).name}
                gone |= {layout.ids(number).name} if now is None else set()
        # A manifest that lists them would be wrong.
        return gone | ({layout.manifest.name} if gone else set())

    def push_shard(self, shard: int) -> None:
        """Bring a committed shard there: its data, then its record."""
        self._push(self.layout.data(shard).name)
        self._push(self.layout.record(shard).name)

    def push_end(self) -> None:
        """Bring index and manifest of a finished store there."""
        manifest, sizes = Manifest.read(self.layout.manifest), self._sizes()
        for listed in manifest.shards:
            if any(
                path.name not in sizes for path in (self.layout.data(listed.number), self.layout.record(listed.number))
            ):
                self.push_shard(listed.number)
        index = self.layout.index(manifest.index.sha256).name
        self._push(index)
        self._push(self.layout.manifest.name)
        for name in sizes:
            if OURS.fullmatch(name) and name.startswith("index-") and name != index:
                self._remove(name)

    def _push_commits(self, sizes: dict[str, int]) -> None:
        """What an interruption came before: shards that are committed here alone."""
        for path in sorted(self.layout.folder.glob("shard-*.json")):
            if path.name not in sizes:
                self._push(path.with_suffix(".npy").name)
                self._push(path.name)

    def _grew(self, plan: Plan) -> bool:
        """Whether a plan only adds shards to the one that is here."""
        try:
            here = Plan.read(self.layout.plan)
        except StoreError:
            return False
        return (
            plan.model_copy(update={"shards": here.shards}) == here and plan.shards[: len(here.shards)] == here.shards
        )

    def _sizes(self) -> dict[str, int]:
        """Names and sizes of the files there."""

        def listed() -> list[dict[str, Any]]:
            self._remote.invalidate_cache()
            try:
                found: list[dict[str, Any]] = self._remote.ls(self._root, detail=True)
            except FileNotFoundError:
                return []
            return found

        return {
            entry["name"].rpartition("/")[2]: entry["size"] for entry in self._do(listed) if entry["type"] == "file"
        }

    def _document(self, path: Path, kind: type[D]) -> D:
        """Read a document from there."""
        return kind.decode(self._read(path.name), f"{self.url}/{path.name}")

    def _file(self, path: Path, expected: File, trusted: bool) -> None:
        """Bring a file here, unless it is; one that is trusted is not read again."""
        if path.is_file() and not path.is_symlink() and path.stat().st_size == expected.bytes:
            if trusted:
                return
            with path.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() == expected.sha256:
                    return

        def check(size: int, sha256: str) -> None:
            if (size, sha256) != (expected.bytes, expected.sha256):
                raise self._broken(path.name)

        write_file(path, self._chunks(path.name, expected.bytes), check)

    def _chunks(self, name: str, most: float = math.inf) -> Iterator[bytes]:
        """The content of a file there, and no more than a little over so many bytes of it."""
        with self._answering():
            try:
                file = self._remote.open(f"{self._root}/{name}", "rb")
            except FileNotFoundError as error:
                raise CorruptStoreError(
                    f"'{self.url}/{name}' is missing; restore it from a copy or extract again with --overwrite"
                ) from error
        try:
            while True:
                with self._answering():
                    chunk: bytes = file.read(CHUNK)
                if not chunk or most < 0:
                    return
                most -= len(chunk)
                yield chunk
        finally:
            file.close()

    def _read(self, name: str) -> bytes:
        return b"".join(self._chunks(name))

    def _push(self, name: str) -> None:
        path = self.layout.folder / name
        self._do(lambda: self._remote.put_file(str(path), f"{self._root}/{name}"))
        arrived = self._do(lambda: self._remote.info(f"{self._root}/{name}", refresh=True))["size"]
        if arrived != path.stat().st_size:
            raise StoreError(
                f"object storage must keep what it is sent; {self.url}/{name} has {arrived} of {path.stat().st_size} bytes; run the same command again"
            )

    def _remove_all(self, names: list[str]) -> None:
        # Backwards: first what says that other files are there.
        for name in sorted(names, key=lambda name: (name != self.layout.manifest.name, not name.endswith(".json"))):
            self._remove(name)

    def _remove(self, name: str) -> None:
        self._do(lambda: self._remote.rm(f"{self._root}/{name}"))

    def _side_by_side(self, calls: list[tuple[Any, ...]]) -> list[Any]:
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            return [future.result() for future in [pool.submit(call, *arguments) for call, *arguments in calls]]

    def _do(self, work: Callable[[], T]) -> T:
        with self._answering():
            return work()

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except AftError:
            raise
        except Exception as error:  # each kind of storage has errors of its own
            raise StoreError(
                f"object storage must answer; received {type(error).__name__}: {error}, for {self.url!r}; "
                "check address, credentials and network, and run the same command again"
            ) from error

    def _broken(self, name: str) -> CorruptStoreError:
        return CorruptStoreError(
            f"'{self.url}/{name}' is not what was written to it; restore it from a copy or extract again with --overwrite"
        )


def _has(path: Path, document: Plan | ShardRecord | Manifest) -> bool:
    """Whether a document is here already: then so is what it stands for, verified when it came."""
    return path.is_file() and path.read_bytes() == document.encode()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one process of this machine at a time change its copy."""
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _keep(path: Path, document: Plan | ShardRecord | Manifest) -> None:
    if not _has(path, document):
        write_file(path, [document.encode()])
